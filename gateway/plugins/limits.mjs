// How large one operation may be: tokens, depth, aliases, directives, cost and page size.
import {
  Kind,
  Lexer,
  NoSchemaIntrospectionCustomRule,
  TokenKind,
  getNamedType,
  getNullableType,
  getVariableValues,
  isCompositeType,
  isListType,
  isObjectType,
  parse,
} from 'graphql';

import { IntrospectionAloneRule } from '../introspection.mjs';
import { overLimit, refusal } from '../refusals.mjs';

// What a list is taken to hold when the operation does not say.
const DEFAULT_LIST_SIZE = 10;
const PAGE_ARGUMENTS = new Set(['first', 'last']);
// Through these the rows of a connection are reached, so they do not multiply a second time.
const CONNECTION_LISTS = new Set(['edges', 'nodes']);

/**
 * Refuse documents above the limits; the message and `extensions.limit` name the limit. A contract
 * has limits of its own. What a document costs is left with its call.
 */
export function useLimits({ config, contract }) {
  const { introspection } = config;
  const limitsNow = () => ({ ...config.limits, ...contract?.current()?.sizes });

  return {
    onParse({ setParseFn }) {
      setParseFn((source, options) => {
        countTokens(source, config.limits.tokens);
        return parse(source, options);
      });
    },
    onValidate({ addValidationRule, params, context }) {
      addValidationRule(introspection ? IntrospectionAloneRule : NoSchemaIntrospectionCustomRule);
      // Sizes depend on variables, and results of validation rules are cached per document: hence
      // this runs afterwards, every time, on documents known to be valid (so without cycles).
      return ({ valid }) => {
        if (!valid) return;
        const { schema, documentAST: document } = params;
        const { variables, operationName } = context.params;
        const operation = findOperation(document, operationName);
        if (!operation) return;
        // The executor reads variables by the supergraph, which knows what the contract hides.
        if (contract) checkVariables({ schema, operation, variables });
        const limits = limitsNow();
        const size = checkOperation({ schema, document, operation, variables, limits });
        context.call.cost = size.cost;
      };
    },
  };
}

function checkVariables({ schema, operation, variables }) {
  const { errors } = getVariableValues(
    schema,
    operation.variableDefinitions ?? [],
    variables ?? {},
    { maxErrors: 1 },
  );
  if (errors) throw refusal('INVALID_INPUT', errors[0].message, { status: 400 });
}

function countTokens(source, max) {
  const lexer = new Lexer(typeof source === 'string' ? { body: source } : source);
  let found = 0;
  try {
    while (lexer.advance().kind !== TokenKind.EOF) found += 1;
  } catch {
    // A text that cannot be read is reported by the parser, with its position.
    return;
  }
  if (found > max) throw overLimit('MAX_TOKENS', max, found);
}

function findOperation(document, name) {
  const operations = document.definitions.filter((d) => d.kind === Kind.OPERATION_DEFINITION);
  return name ? operations.find((o) => o.name?.value === name) : operations[0];
}

/**
 * The size of one operation; throws the first limit that it passes. Fragments count wherever they
 * are used.
 */
export function checkOperation({ schema, document, operation, variables, limits }) {
  const fragments = new Map(
    document.definitions
      .filter((d) => d.kind === Kind.FRAGMENT_DEFINITION)
      .map((d) => [d.name.value, d]),
  );
  const defaults = new Map(
    (operation.variableDefinitions ?? []).map((d) => [d.variable.name.value, d.defaultValue]),
  );
  const sizes = new Map();

  function argument(field, name) {
    const value = field.arguments?.find((a) => a.name.value === name)?.value;
    if (value?.kind === Kind.INT) return Number(value.value);
    if (value?.kind !== Kind.VARIABLE) return undefined;
    const given = variables?.[value.name.value];
    if (typeof given === 'number') return given;
    const fallback = defaults.get(value.name.value);
    return given === undefined && fallback?.kind === Kind.INT ? Number(fallback.value) : undefined;
  }

  function pageSize(field) {
    let size;
    for (const name of PAGE_ARGUMENTS) {
      const asked = argument(field, name);
      if (asked === undefined) continue;
      if (asked > limits.pageSize) {
        throw overLimit('MAX_PAGE_SIZE', limits.pageSize, asked);
      }
      size = Math.max(size ?? 0, asked);
    }
    return size;
  }

  // A field that leads to objects costs one per row, and so does everything below each row; plain
  // values are free. `inPage` says that the connection above has already counted the rows.
  function sizeOfField(field, parent, inPage) {
    const definition = parent.getFields?.()[field.name.value];
    const asked = pageSize(field);
    const own = { cost: 0, depth: 1, aliases: field.alias ? 1 : 0 };
    own.directives = field.directives?.length ?? 0;
    const type = definition && getNamedType(definition.type);
    if (!field.selectionSet || !type) return own;

    const connection = isConnection(type);
    const counted = inPage && CONNECTION_LISTS.has(field.name.value);
    const isList = connection || isListType(getNullableType(definition.type));
    const rows = counted ? 1 : Math.max(asked ?? (isList ? DEFAULT_LIST_SIZE : 1), 1);

    const below = sizeOfSelections(field.selectionSet, type, connection);
    own.cost = rows * (1 + below.cost);
    own.depth += below.depth;
    own.aliases += below.aliases;
    own.directives += below.directives;
    return own;
  }

  function sizeOfSelections(selectionSet, type, inPage) {
    const total = { cost: 0, depth: 0, aliases: 0, directives: 0 };
    for (const selection of selectionSet.selections) {
      const size = sizeOfSelection(selection, type, inPage);
      total.cost += size.cost;
      total.aliases += size.aliases;
      total.directives += size.directives;
      total.depth = Math.max(total.depth, size.depth);
    }
    return total;
  }

  function sizeOfSelection(selection, parent, inPage) {
    if (selection.kind === Kind.FIELD) {
      // Introspection has its own switch, and its standard query is deep by nature.
      if (selection.name.value.startsWith('__')) return NOTHING;
      return sizeOfField(selection, parent, inPage);
    }
    const isSpread = selection.kind === Kind.FRAGMENT_SPREAD;
    const body = isSpread ? fragments.get(selection.name.value) : selection;
    const condition = body.typeCondition;
    const narrowed = condition ? schema.getType(condition.name.value) : parent;
    const type = isCompositeType(narrowed) ? narrowed : parent;
    const own = selection.directives?.length ?? 0;
    const key = isSpread ? `${selection.name.value}:${inPage}` : undefined;
    // Remembered, because fragments that use fragments twice would double the work each time.
    const below = sizes.get(key) ?? sizeOfSelections(body.selectionSet, type, inPage);
    if (key) sizes.set(key, below);
    return own === 0 ? below : { ...below, directives: below.directives + own };
  }

  const root = schema.getRootType(operation.operation);
  if (!root) return NOTHING;
  const found = sizeOfSelections(operation.selectionSet, root, false);
  found.directives += operation.directives?.length ?? 0;
  const checks = [
    ['MAX_DEPTH', limits.depth, found.depth],
    ['MAX_ALIASES', limits.aliases, found.aliases],
    ['MAX_DIRECTIVES', limits.directives, found.directives],
    ['MAX_COST', limits.cost, found.cost],
  ];
  for (const [name, max, value] of checks) {
    if (value > max) throw overLimit(name, max, value);
  }
  return found;
}

const NOTHING = Object.freeze({ cost: 0, depth: 0, aliases: 0, directives: 0 });

const isConnection = (type) =>
  isObjectType(type) && type.name.endsWith('Connection') && 'edges' in type.getFields();
