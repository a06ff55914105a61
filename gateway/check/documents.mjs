// Registered documents against both sides: errors, what they use, and what running them takes.
import { QueryPlanner } from '@graphql-hive/router-query-planner';
import {
  Kind,
  TypeInfo,
  getNamedType,
  isEnumType,
  isInputObjectType,
  parse,
  validate,
  visit,
  visitWithTypeInfo,
} from 'graphql';

import { checkOperation } from '../plugins/limits.mjs';

// Measuring must never refuse: whether a limit is passed is the router's question.
const UNLIMITED = { depth: Infinity, aliases: Infinity, directives: Infinity, cost: Infinity };
Object.assign(UNLIMITED, { pageSize: Infinity });

/** Facts of documents over two composed sides. */
export function createDocuments({ base, head }) {
  function planner({ planners, supergraphs }, contract) {
    if (!planners.has(contract)) {
      planners.set(contract, new QueryPlanner(supergraphs.get(contract)));
    }
    return planners.get(contract);
  }

  function facts(documents) {
    return documents.map(({ id, text, contract }) => {
      let document;
      try {
        document = parse(text);
      } catch (error) {
        const line = error.locations?.[0]?.line ?? 1;
        return { id, syntax: { message: error.message, line }, operations: [] };
      }
      const sides = { base: sideOf(base, contract), head: sideOf(head, contract) };
      const errors = {};
      for (const [name, side] of Object.entries(sides)) {
        errors[name] = side ? faults(side.schema, document) : null;
      }
      // What a document uses is asked of the schema that it was written for.
      const used = usages((sides.base ?? sides.head)?.schema, document);
      const same = sides.base && sides.head && sides.base.supergraph === sides.head.supergraph;
      const valid = errors.base?.length === 0 && errors.head?.length === 0;
      return {
        id,
        syntax: null,
        errors,
        operations: operationsOf(document).map((operation) => ({
          name: operation.name?.value ?? null,
          kind: operation.operation,
          line: operation.loc.startToken.line,
          uses: Object.fromEntries(usesOf(operation, document, used)),
          // The same supergraph plans the same way, so nothing could have changed.
          plans: valid && !same ? plansOf(sides, contract, text, document, operation) : null,
        })),
      };
    });
  }

  function sideOf(side, contract) {
    const schema = side?.schemas.get(contract);
    return schema && { side, schema, supergraph: side.supergraphs.get(contract) };
  }

  function plansOf(sides, contract, text, document, operation) {
    const found = {};
    for (const [name, { side, schema }] of Object.entries(sides)) {
      try {
        const { node } = planner(side, contract).plan(text, operation.name?.value, new Set(), 0);
        const size = checkOperation({ schema, document, operation, limits: UNLIMITED });
        found[name] = { ...fetches(node), cost: size.cost };
      } catch (error) {
        found[name] = { error: error.message };
      }
    }
    return found;
  }

  return { facts };
}

const operationsOf = (document) =>
  document.definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION);

function faults(schema, document) {
  // Validation lets pass whatever stands below a root that the schema has not.
  const rootless = operationsOf(document)
    .filter(({ operation }) => !schema.getRootType(operation))
    .map((node) => ({
      message: `The schema has no ${node.operation}.`,
      line: node.loc.startToken.line,
    }));
  const found = validate(schema, document).map((error) => ({
    message: error.message,
    line: error.locations?.[0]?.line ?? 1,
  }));
  return [...rootless, ...found];
}

// For each definition, the coordinates that it names, with the first line of each.
function usages(schema, document) {
  const found = new Map();
  if (!schema) return found;
  const info = new TypeInfo(schema);
  let current;
  const use = (coordinate, node) => {
    if (!current.has(coordinate)) current.set(coordinate, node.loc.startToken.line);
  };
  const useInput = (type, node, seen = new Set()) => {
    const named = type && getNamedType(type);
    if (!named || seen.has(named)) return;
    seen.add(named);
    use(named.name, node);
    if (!isInputObjectType(named)) return;
    for (const field of Object.values(named.getFields())) {
      use(`${named.name}.${field.name}`, node);
      useInput(field.type, node, seen);
    }
  };
  const start = (node) => {
    current = new Map();
    found.set(node, current);
  };
  const condition = (node) => {
    if (node.typeCondition) use(node.typeCondition.name.value, node);
  };
  visit(
    document,
    visitWithTypeInfo(info, {
      OperationDefinition: start,
      FragmentDefinition(node) {
        start(node);
        condition(node);
      },
      InlineFragment: condition,
      // Its value comes from the client, who may send any field of it.
      VariableDefinition: (node) => useInput(info.getInputType(), node),
      Field(node) {
        const parent = info.getParentType();
        const type = info.getType();
        if (parent) use(`${parent.name}.${node.name.value}`, node);
        if (type) use(getNamedType(type).name, node);
        if (parent) use(parent.name, node);
      },
      Argument(node) {
        const parent = info.getParentType();
        const field = info.getFieldDef();
        if (parent && field) use(`${parent.name}.${field.name}(${node.name.value}:)`, node);
      },
      ObjectField(node) {
        const parent = info.getParentInputType() && getNamedType(info.getParentInputType());
        if (parent) use(`${parent.name}.${node.name.value}`, node);
      },
      EnumValue(node) {
        const type = info.getInputType() && getNamedType(info.getInputType());
        if (isEnumType(type)) use(`${type.name}.${node.value}`, node);
      },
    }),
  );
  return found;
}

// An operation uses what its fragments use, wherever they stand.
function usesOf(operation, document, used) {
  const fragments = new Map(
    document.definitions
      .filter((node) => node.kind === Kind.FRAGMENT_DEFINITION)
      .map((node) => [node.name.value, node]),
  );
  const all = new Map();
  const seen = new Set();
  const add = (definition) => {
    if (!definition || seen.has(definition)) return;
    seen.add(definition);
    for (const [coordinate, line] of used.get(definition) ?? []) {
      if (!all.has(coordinate)) all.set(coordinate, line);
    }
    visit(definition, {
      FragmentSpread: (node) => add(fragments.get(node.name.value)),
    });
  };
  add(operation);
  return all;
}

// Fetches, and how many of them come one after the other.
function fetches(node) {
  if (!node) return { fetches: 0, depth: 0 };
  switch (node.kind) {
    case 'Fetch':
    case 'BatchFetch':
      return { fetches: 1, depth: 1 };
    case 'Sequence':
      return total(node.nodes, (sum, depth) => sum + depth);
    case 'Parallel':
      return total(node.nodes, Math.max);
    case 'Flatten':
      return fetches(node.node);
    case 'Condition':
      return total([node.ifClause, node.elseClause].filter(Boolean), Math.max);
    case 'Subscription':
      return total([node.primary, node.rest].filter(Boolean), (sum, depth) => sum + depth);
    case 'Defer':
      return total(
        [node.primary?.node, ...(node.deferred ?? []).map((each) => each.node)].filter(Boolean),
        (sum, depth) => sum + depth,
      );
    default:
      throw new Error(`The plan holds a ${node.kind}, which is not known here.`);
  }
}

function total(nodes, join) {
  return nodes.map(fetches).reduce(
    (sum, each) => ({ fetches: sum.fetches + each.fetches, depth: join(sum.depth, each.depth) }),
    { fetches: 0, depth: 0 },
  );
}
