// The router's proof to a subgraph: `t=<unix>,ip=<client>,v1=<hex>`, an HMAC-SHA256 over `t.ip.payload`.
import { createHmac } from 'node:crypto';

export const SIGNATURE_HEADER = 'x-gateway-signature';

/** Sign the exact bytes of a request body together with the time and the client's address. */
export function sign(secret, { ip, payload, time = Math.floor(Date.now() / 1000) }) {
  const mac = createHmac('sha256', secret).update(`${time}.${ip}.`).update(payload).digest('hex');
  return `t=${time},ip=${ip},v1=${mac}`;
}

/** The same minute gives the same text, so that equal callers can share one upstream socket. */
export const currentMinute = () => Math.floor(Date.now() / 60_000) * 60;
