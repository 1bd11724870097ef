/**
 * The body of an answer that is written while it is read. What waits for its reader is bounded by whoever writes, who
 * asks for room. Not a TransformStream: one that is full cannot be given up before its reader takes something.
 */
export class Outlet {
  readonly readable: ReadableStream<Uint8Array>
  readonly #gone = new AbortController()
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined
  #wake: () => void = () => {}

  /** `capacity` is how many bytes may wait before there is no room. */
  constructor(capacity: number) {
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => this.#wake(),
        cancel: () => this.#leave(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: capacity }),
    )
  }

  /** Aborts when nobody reads any more, or it ended. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  get hasRoom(): boolean {
    return (this.#controller?.desiredSize ?? 0) > 0
  }

  /** Waits until there is room; false where nothing was taken for `patienceMs`, or nobody reads any more. */
  async room(patienceMs: number): Promise<boolean> {
    if (this.hasRoom || this.#gone.signal.aborted) return !this.#gone.signal.aborted
    let timer: ReturnType<typeof setTimeout> | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      timer = setTimeout(resolve, patienceMs)
    })
    clearTimeout(timer)
    return this.hasRoom && !this.#gone.signal.aborted
  }

  /** Nothing is written where nobody reads any more. */
  write(bytes: Uint8Array): void {
    if (!this.#gone.signal.aborted) this.#controller?.enqueue(bytes)
  }

  /** Ends it once what waits was read. */
  close(): void {
    if (this.#gone.signal.aborted) return
    this.#controller?.close()
    this.#leave()
  }

  /** Breaks it off and lets go of what waits. */
  fail(error: Error): void {
    if (this.#gone.signal.aborted) return
    this.#controller?.error(error)
    this.#leave()
  }

  #leave(): void {
    this.#gone.abort()
    this.#wake()
  }
}
