// The bytes of a push as they come off the wire, up to where they end: as they should, by a cut, or because none came for
// so long that the link must be dead. A cut is no error here: what came before it has arrived, and is passed on.
import { finished, Readable, Transform } from "node:stream";
import { CutShort } from "./receive-error.js";

export interface Wire {
  chunks: Transform;
  /** Why the chunks ended before the push did. */
  cut(): CutShort | undefined;
}

/** `onEnd` is told as soon as no more will come, with why if that is a cut. @throws CutShort for no stream at all */
export function readUntilCut(stream: Readable, stallMs: number, onEnd: (cut?: CutShort) => void): Wire {
  if (!(stream instanceof Readable)) throw new CutShort("the push has no stream");
  let cut: CutShort | undefined;
  const chunks = new Transform({
    highWaterMark: 1024 * 1024,
    transform(chunk, _encoding, done) {
      timer.refresh();
      done(null, chunk);
    },
  });
  const endWith = (reason: CutShort) => {
    if (cut) return;
    cut = reason;
    onEnd(cut);
    stream.unpipe(chunks);
    chunks.end();
  };
  const timer = setTimeout(() => {
    // It is we who do not read: slow, not dead.
    if (chunks.readableLength > 0) timer.refresh();
    else endWith(new CutShort(`no byte arrived for ${stallMs} ms`));
  }, stallMs);
  // Without its reader the stream stands still; it is left to its connection, over which a refusal may yet go.
  chunks.once("close", () => {
    clearTimeout(timer);
    stream.unpipe(chunks);
  });
  finished(stream, { writable: false }, (error) => {
    clearTimeout(timer);
    if (!error) onEnd();
    else endWith(new CutShort(`the stream was cut short: ${error.message}`, { cause: error }));
  });
  stream.pipe(chunks);
  return { chunks, cut: () => cut };
}
