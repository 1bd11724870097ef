"""Publishes what comes as JSON, or takes messages and prints them as JSON, with a client that is not Node's."""
import json
import sys

import pika

what, url, name, *rest = sys.argv[1:]
given = json.load(sys.stdin)
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
if what == "publish":
    channel.confirm_delivery()
    for one in given:
        properties = pika.BasicProperties(
            headers=one["headers"],
            content_type=one.get("contentType"),
            message_id=one.get("messageId"),
            type=one.get("type"),
            delivery_mode=2,
        )
        channel.basic_publish(name, "pika", bytes.fromhex(one["bodyHex"]), properties, mandatory=True)
    print("null")
else:
    taken = []
    for method, properties, body in channel.consume(name, inactivity_timeout=10):
        if method is None:
            break
        channel.basic_ack(method.delivery_tag)
        headers = {k: v for k, v in (properties.headers or {}).items() if isinstance(v, (str, int, bool))}
        one = {"headers": headers, "bodyHex": body.hex()}
        if properties.content_type is not None:
            one["contentType"] = properties.content_type
        taken.append(one)
        if len(taken) == int(rest[0]):
            break
    channel.cancel()
    print(json.dumps(taken))
connection.close()
