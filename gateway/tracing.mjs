// W3C trace context always; OpenTelemetry spans (request, subgraph request) only when exported.
// Carries the span of a subgraph request from the executor to the fetch beneath it.
const SPAN = Symbol('span');

/** Tracing that only passes the trace on, or the exporting kind when an endpoint is set. */
export async function createTracing(config) {
  if (!config.otlpEndpoint) return passOn;
  return exporting(config);
}

const passOn = {
  begin() {},
  end() {},
  plugin: {},
  traceparent: (call) => call.traceparent,
  close: async () => {},
};

async function exporting({ otlpEndpoint, traceRatio, serviceName }) {
  const { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } = await import('@opentelemetry/api');
  const sdk = await import('@opentelemetry/sdk-trace');
  const { resourceFromAttributes } = await import('@opentelemetry/resources');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');

  const exporter = new OTLPTraceExporter({ url: `${otlpEndpoint}/v1/traces`, timeoutMillis: 5_000 });
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(traceRatio) }),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter })],
  });
  const tracer = provider.getTracer('router');

  const contextOf = (call) => {
    if (!call.remoteParent) return ROOT_CONTEXT;
    const [, traceId, spanId, flags] = call.traceparent.split('-');
    const parent = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
    return trace.setSpanContext(ROOT_CONTEXT, parent);
  };
  const headerOf = (span) => {
    const { traceId, spanId, traceFlags } = span.spanContext();
    return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
  };

  return {
    begin(call, name) {
      call.span = tracer.startSpan(name, { kind: SpanKind.SERVER }, contextOf(call));
      call.traceId = call.span.spanContext().traceId;
    },
    end(call, status) {
      if (!call.span) return;
      call.span.setAttribute('http.response.status_code', status);
      if (call.operationType) call.span.setAttribute('graphql.operation.type', call.operationType);
      if (status >= 500) call.span.setStatus({ code: SpanStatusCode.ERROR });
      call.span.end();
    },
    plugin: {
      // Registered first, hence innermost: a repeated request is a span of its own.
      onSubgraphExecute({ subgraphName, executionRequest, executor, setExecutor }) {
        setExecutor(async (request) => {
          const { call } = request.context ?? {};
          if (!call?.span) return executor(request);
          const parent = trace.setSpan(ROOT_CONTEXT, call.span);
          const span = tracer.startSpan(`subgraph ${subgraphName}`, { kind: SpanKind.CLIENT }, parent);
          span.setAttribute('edtech.subgraph', subgraphName);
          try {
            // The fetch below is shown the original request, never the copies made on the way.
            executionRequest[SPAN] = span;
            const result = await executor(request);
            if (result?.errors?.length) span.setStatus({ code: SpanStatusCode.ERROR });
            return result;
          } catch (error) {
            span.setStatus({ code: SpanStatusCode.ERROR });
            throw error;
          } finally {
            span.end();
          }
        });
      },
    },
    traceparent(call, request) {
      const span = request?.[SPAN] ?? call.span;
      return span ? headerOf(span) : call.traceparent;
    },
    close: () => provider.shutdown(),
  };
}
