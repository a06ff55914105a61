// Every schema coordinate of one SDL: where it stands, its type, its directives.
import { Kind, isTypeSystemDefinitionNode, isTypeSystemExtensionNode, parse, print } from 'graphql';

const KINDS = {
  [Kind.OBJECT_TYPE_DEFINITION]: 'object',
  [Kind.OBJECT_TYPE_EXTENSION]: 'object',
  [Kind.INTERFACE_TYPE_DEFINITION]: 'interface',
  [Kind.INTERFACE_TYPE_EXTENSION]: 'interface',
  [Kind.UNION_TYPE_DEFINITION]: 'union',
  [Kind.UNION_TYPE_EXTENSION]: 'union',
  [Kind.ENUM_TYPE_DEFINITION]: 'enum',
  [Kind.ENUM_TYPE_EXTENSION]: 'enum',
  [Kind.INPUT_OBJECT_TYPE_DEFINITION]: 'input',
  [Kind.INPUT_OBJECT_TYPE_EXTENSION]: 'input',
  [Kind.SCALAR_TYPE_DEFINITION]: 'scalar',
  [Kind.SCALAR_TYPE_EXTENSION]: 'scalar',
};

/** `{coordinates, links, error}`; `error` is `{message, line}` for a text that is no GraphQL. */
export function indexOf(sdl) {
  let document;
  try {
    document = parse(sdl);
  } catch (error) {
    return failed(error.message, error.locations?.[0]?.line);
  }
  const stray = document.definitions.find(
    (node) => !isTypeSystemDefinitionNode(node) && !isTypeSystemExtensionNode(node),
  );
  if (stray) return failed('An operation stands where types are defined.', stray.loc.startToken.line);

  // Without a prototype: a type may be called `constructor`.
  const coordinates = Object.create(null);
  const links = [];
  for (const definition of document.definitions) {
    if (definition.kind === Kind.SCHEMA_DEFINITION || definition.kind === Kind.SCHEMA_EXTENSION) {
      links.push(...directivesOf(definition).filter(({ name }) => name === 'link'));
    } else if (KINDS[definition.kind]) {
      addType(coordinates, definition);
    }
  }
  return { coordinates, links, error: null };
}

const failed = (message, line = 1) => ({ coordinates: {}, links: [], error: { message, line } });

function addType(coordinates, definition) {
  const name = definition.name.value;
  const kind = KINDS[definition.kind];
  const known = coordinates[name];
  const entry = known ?? describe(definition, kind);
  // A type may be spread over a definition and extensions: their directives belong together.
  if (known) {
    entry.directives.push(...directivesOf(definition));
    entry.described ||= Boolean(definition.description);
  }
  coordinates[name] = entry;
  entry.interfaces.push(...(definition.interfaces ?? []).map((node) => node.name.value));
  entry.members.push(...(definition.types ?? []).map((node) => node.name.value));
  for (const value of definition.values ?? []) {
    coordinates[`${name}.${value.name.value}`] = describe(value, 'enumValue');
  }
  for (const field of definition.fields ?? []) {
    const coordinate = `${name}.${field.name.value}`;
    coordinates[coordinate] = describe(field, kind === 'input' ? 'inputField' : 'field');
    for (const argument of field.arguments ?? []) {
      coordinates[`${coordinate}(${argument.name.value}:)`] = describe(argument, 'argument');
    }
  }
}

function describe(node, kind) {
  return {
    kind,
    line: (node.name.loc ?? node.loc).startToken.line,
    type: node.type ? print(node.type) : null,
    hasDefault: node.defaultValue !== undefined,
    described: Boolean(node.description),
    directives: directivesOf(node),
    interfaces: [],
    members: [],
  };
}

function directivesOf(node) {
  return (node.directives ?? []).map((directive) => ({
    name: directive.name.value,
    arguments: Object.fromEntries(
      (directive.arguments ?? []).map(({ name, value }) => [name.value, print(value)]),
    ),
    line: directive.loc.startToken.line,
  }));
}
