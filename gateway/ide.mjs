// GraphiQL for development, served whole from the installed package: no request leaves the machine.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

let page;

/** Send the IDE; the page is built (about 9 MB, compressed once) when first asked for. */
export async function sendIde(res) {
  if (!page) {
    const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
    const defaultQuery = readFileSync(new URL('default-query.graphql', import.meta.url), 'utf8');
    const html = renderGraphiQL({
      title: 'EdTech supergraph',
      endpoint: '/graphql',
      subscriptionsProtocol: 'WS',
      defaultQuery,
      shouldPersistHeaders: false,
    });
    page = gzipSync(html);
  }
  res.writeHead(200, {
    'content-type': 'text/html; charset=utf-8',
    'content-encoding': 'gzip',
    'cache-control': 'no-cache',
    // The browser itself now refuses any request to another origin.
    'content-security-policy':
      "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' ws: wss: data: blob:",
  });
  res.end(page);
}
