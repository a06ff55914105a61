// Questions about the schema stand alone: the gateway answers such an operation by itself, and would
// leave its other fields without an answer.
import { GraphQLError, Kind } from 'graphql';

const QUESTIONS = new Set(['__schema', '__type']);
const MESSAGE =
  'Ask for __schema and __type in an operation of their own, outside of fragments, with no other fields.';

/** A validation rule: `__schema` and `__type` are not mixed with fields that need subgraphs. */
export function IntrospectionAloneRule(context) {
  return {
    OperationDefinition(operation) {
      const fields = [...rootFields(context, operation.selectionSet, { direct: true, seen: new Set() })];
      if (!fields.some(({ name }) => QUESTIONS.has(name))) return;
      const stray = fields.find(
        ({ name, direct }) => !direct || !(QUESTIONS.has(name) || name === '__typename'),
      );
      if (stray) context.reportError(new GraphQLError(MESSAGE, { nodes: [stray.node] }));
    },
  };
}

function* rootFields(context, selectionSet, { direct, seen }) {
  for (const node of selectionSet.selections) {
    if (node.kind === Kind.FIELD) {
      yield { node, name: node.name.value, direct };
    } else if (node.kind === Kind.INLINE_FRAGMENT) {
      yield* rootFields(context, node.selectionSet, { direct: false, seen });
    } else if (!seen.has(node.name.value)) {
      seen.add(node.name.value);
      const fragment = context.getFragment(node.name.value);
      if (fragment) yield* rootFields(context, fragment.selectionSet, { direct: false, seen });
    }
  }
}
