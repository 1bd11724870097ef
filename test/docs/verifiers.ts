import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../brokers/services/run.ts'
import { needGo, needJavac, needPhp, needPython } from '../brokers/services/tool.ts'
import { blocksOf, root } from './page.ts'

/** One request to a receiver. A header that is undefined did not come. */
export interface Attempt {
  readonly secret: string
  readonly id?: string | undefined
  readonly timestamp?: string | undefined
  readonly signature?: string | undefined
  readonly body: Uint8Array
}

interface Language {
  /** The file of the page that has the function. */
  readonly file: string
  /** What calls that function for each line of the file `attempts`, and prints a word for each. */
  readonly caller: readonly [file: string, text: string]
  readonly commands: () => Promise<readonly (readonly string[])[]>
}

/** Lines of tabs: secret, id, timestamp, signature, and the body in base64; a hyphen for what did not come. */
const names = "'webhook-id', 'webhook-timestamp', 'webhook-signature'"

export const languages: Readonly<Record<string, Language>> = {
  JavaScript: {
    file: 'verify.mjs',
    caller: [
      'call.mjs',
      `import { readFileSync } from 'node:fs'
import { verify } from './verify.mjs'
for (const line of readFileSync('attempts', 'utf8').trim().split('\\n')) {
  const [secret, ...fields] = line.split('\\t')
  const headers = Object.fromEntries([${names}].map((n, i) => [n, fields[i]]).filter(([, v]) => v !== '-'))
  console.log(verify(secret, headers, Buffer.from(fields[3], 'base64')))
}`,
    ],
    commands: async () => [[process.execPath, 'call.mjs']],
  },
  Python: {
    file: 'verify.py',
    caller: [
      'call.py',
      `import base64
from verify import verify
for line in open('attempts'):
    secret, *fields = line.rstrip('\\n').split('\\t')
    headers = {n: v for n, v in zip([${names}], fields) if v != '-'}
    print(str(verify(secret, headers, base64.b64decode(fields[3]))).lower())`,
    ],
    commands: async () => [[await needPython(), 'call.py']],
  },
  Go: {
    file: 'verify.go',
    caller: [
      'call.go',
      `package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strings"
)

func main() {
	attempts, _ := os.ReadFile("attempts")
	for _, line := range strings.Split(strings.TrimSpace(string(attempts)), "\\n") {
		fields := strings.Split(line, "\\t")
		header := http.Header{}
		for i, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
			if fields[i+1] != "-" {
				header.Set(name, fields[i+1])
			}
		}
		body, _ := base64.StdEncoding.DecodeString(fields[4])
		fmt.Println(verify(fields[0], header, body))
	}
}`,
    ],
    commands: async () => [[await needGo(), 'run', 'verify.go', 'call.go']],
  },
  PHP: {
    file: 'verify.php',
    caller: [
      'call.php',
      `<?php
require 'verify.php';
foreach (file('attempts', FILE_IGNORE_NEW_LINES) as $line) {
    [$secret, $id, $timestamp, $signature, $body] = explode("\\t", $line);
    $headers = array_combine([${names}], [$id, $timestamp, $signature]);
    $headers = array_filter($headers, fn ($value) => $value !== '-');
    echo verify($secret, $headers, base64_decode($body)) ? 'true' : 'false', "\\n";
}`,
    ],
    commands: async () => [[await needPhp(), 'call.php']],
  },
  Java: {
    file: 'Verify.java',
    caller: [
      'Call.java',
      `import java.nio.file.*;
import java.util.*;

class Call {
  public static void main(String[] words) throws Exception {
    for (String line : Files.readAllLines(Path.of("attempts"))) {
      String[] fields = line.split("\\t", -1);
      Map<String, String> headers = new HashMap<>();
      String[] names = {"webhook-id", "webhook-timestamp", "webhook-signature"};
      for (int i = 0; i < 3; i++) if (!fields[i + 1].equals("-")) headers.put(names[i], fields[i + 1]);
      System.out.println(Verify.verify(fields[0], headers, Base64.getDecoder().decode(fields[4])));
    }
  }
}`,
    ],
    commands: async () => [
      [await needJavac(), 'Verify.java', 'Call.java'],
      ['java', 'Call'],
    ],
  },
}

/** What the function of the page says of each attempt, in one language. */
export async function verdicts({ file, caller, commands }: Language, attempts: readonly Attempt[]): Promise<boolean[]> {
  const block = blocksOf(join(root, 'docs/receive.md')).find(({ note }) => note === `file=${file}`)
  if (block === undefined) throw new Error(`docs/receive.md has no ${file}.`)
  const folder = await mkdtemp(join(tmpdir(), 'sluice-verify-'))
  try {
    await writeFile(join(folder, file), block.text)
    await writeFile(join(folder, caller[0]), caller[1])
    const lines = attempts.map(({ secret, id = '-', timestamp = '-', signature = '-', body }) =>
      [secret, id, timestamp, signature, Buffer.from(body).toString('base64')].join('\t'),
    )
    await writeFile(join(folder, 'attempts'), `${lines.join('\n')}\n`)
    let output = ''
    for (const [program, ...words] of await commands()) output = await run(program!, words, folder)
    return output
      .trim()
      .split('\n')
      .map((word) => word === 'true')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
