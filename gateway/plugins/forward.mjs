// What reaches a subgraph with each request: the viewer's token, the router's proof, the trace.
import { SIGNATURE_HEADER, currentMinute, sign } from '../signature.mjs';

/** Subscriptions run over graphql-transport-ws at the subgraph's own URL, proof in the payload. */
export const SUBGRAPH_TRANSPORTS = {
  '*.http': {
    options: {
      // Two viewers may ask the same at the same moment: equal bodies are not equal requests.
      deduplicateInflightRequests: false,
      subscriptions: {
        kind: 'ws',
        options: {
          connectionParams: {
            authorization: '{context.upstreamAuthorization}',
            [SIGNATURE_HEADER]: '{context.upstreamSignature}',
          },
        },
      },
    },
  },
};

/** Sign and label every subgraph request; nothing that the client sent passes but by name. */
export function useForwarding({ secret, tracing }) {
  return {
    onFetch({ options, executionRequest, setOptions }) {
      if (!executionRequest?.subgraphName) return;
      const call = executionRequest.context?.call;
      if (!call || typeof options.body !== 'string') {
        throw new Error(`an unsigned request to ${executionRequest.subgraphName} was stopped`);
      }
      const headers = {
        ...options.headers,
        [SIGNATURE_HEADER]: sign(secret, { ip: call.ip, payload: options.body }),
        'x-request-id': call.id,
        traceparent: tracing.traceparent(call, executionRequest),
      };
      if (call.authorization) headers.authorization = call.authorization;
      if (call.language) headers['accept-language'] = call.language;
      // People recognise their sessions by it.
      if (call.userAgent) headers['user-agent'] = call.userAgent;
      setOptions({ ...options, headers });
    },
    onContextBuilding({ context, extendContext }) {
      const { authorization = '', ip } = context.call;
      extendContext({
        upstreamAuthorization: authorization,
        upstreamSignature: sign(secret, { ip, payload: authorization, time: currentMinute() }),
      });
    },
  };
}
