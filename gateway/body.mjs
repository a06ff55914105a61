// Reads a request body up to a limit, without ever holding more than that limit.
import { overLimit, refusal } from './refusals.mjs';

/** The body as bytes; throws INVALID_INPUT with status 413 as soon as it is too large. */
export function readBody(req, maxBytes) {
  return new Promise((resolve, reject) => {
    const declared = Number(req.headers['content-length'] ?? 0);
    const chunks = [];
    let size = 0;
    const tooLarge = (found) => {
      req.removeAllListeners('data');
      // What is left is thrown away, so that the client can read the answer.
      req.resume();
      reject(overLimit('MAX_BODY_BYTES', maxBytes, found, { status: 413 }));
    };
    if (declared > maxBytes) {
      tooLarge(declared);
      return;
    }
    req.on('data', (chunk) => {
      size += chunk.length;
      if (size > maxBytes) tooLarge(size);
      else chunks.push(chunk);
    });
    req.once('end', () => resolve(Buffer.concat(chunks)));
    req.once('error', reject);
    req.once('close', () => {
      if (!req.complete) reject(refusal('INVALID_INPUT', 'The request body ended early.'));
    });
  });
}
