// fauxqs on one port of loopback: its own program listens on every address.
import { buildApp } from 'fauxqs'

await buildApp({ logger: false }).listen({ host: '127.0.0.1', port: Number(process.argv[2]) })
console.log('listening')
