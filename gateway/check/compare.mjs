// What changed in the shape of each subgraph, of the public schema and of each contract.
import { diff } from '@graphql-inspector/core';
import { Kind, buildASTSchema, parse, visit } from 'graphql';

// Directives are compared in Python, where it is known what each one of them means.
const IGNORED = /^DIRECTIVE_/;
const NEW_MEMBERS = new Set(['FIELD_ADDED', 'INPUT_FIELD_ADDED', 'ENUM_VALUE_ADDED']);
const FEDERATION = /^(_|federation__|link__|join__)/;

/** `{scope: [{code, level, message, coordinate, detail}]}`; a scope on one side only is left out. */
export async function compare(base, head, sides) {
  const found = {};
  if (!base) return found;
  const before = new Map(base.subgraphs.map(({ name, sdl }) => [name, sdl]));
  for (const { name, sdl } of head.subgraphs) {
    if (!before.has(name)) continue;
    const old = before.get(name);
    found[`subgraph:${name}`] = old === sdl ? [] : await changes(plain(old), plain(sdl));
  }
  for (const [name, schema] of sides.head.schemas) {
    const old = sides.base.schemas.get(name);
    if (!old) continue;
    const same = sides.base.publicSdls.get(name) === sides.head.publicSdls.get(name);
    found[name === '' ? 'public' : `contract:${name}`] = same ? [] : await changes(old, schema);
  }
  return found;
}

async function changes(before, after) {
  if (!before || !after) return [];
  return (await diff(before, after))
    .filter(({ type, path }) => {
      if (IGNORED.test(type)) return false;
      const [parent, member, part] = (path ?? '').split('.').filter((name) => !name.startsWith('@'));
      const [old, now] = [before.getType(parent), after.getType(parent)];
      // What belongs to a new type, field or argument is told by that type, field or argument.
      if (now && !old) return type === 'TYPE_ADDED';
      const [oldMember, newMember] = [memberOf(old, member), memberOf(now, member)];
      if (newMember && !oldMember) return NEW_MEMBERS.has(type);
      const isNewArgument = part && newMember && !argumentOf(oldMember, part);
      return !isNewArgument || type === 'FIELD_ARGUMENT_ADDED';
    })
    .map(describe);
}

const memberOf = (type, name) => type?.getFields?.()[name] ?? type?.getValue?.(name);
const argumentOf = (field, name) => field?.args?.some((argument) => argument.name === name);

function describe({ type, criticality, message, path, meta }) {
  const [parent, member, part] = (path ?? '').split('.').filter((name) => !name.startsWith('@'));
  const field = member ? `${parent}.${member}` : (parent ?? '');
  const detail =
    meta.addedUnionMemberTypeName ??
    meta.removedUnionMemberTypeName ??
    meta.addedInterfaceName ??
    meta.removedInterfaceName ??
    null;
  return {
    code: type,
    level: criticality.level,
    message,
    coordinate: part ? `${field}(${part}:)` : field,
    detail,
  };
}

// A subgraph as a plain schema: without the directives and types of federation.
function plain(sdl) {
  let document;
  try {
    document = parse(sdl, { noLocation: true });
  } catch {
    return undefined;
  }
  const cleaned = visit(document, {
    Directive: (node) => (node.name.value === 'deprecated' ? undefined : null),
    DirectiveDefinition: () => null,
    SchemaExtension: () => null,
    ScalarTypeDefinition: (node) => (FEDERATION.test(node.name.value) ? null : undefined),
  });
  try {
    return buildASTSchema(asDefinitions(cleaned), { assumeValidSDL: true });
  } catch {
    // Types that are missing are reported by composition, with the subgraph at fault.
    return undefined;
  }
}

// `extend type` without a definition is common in subgraphs; a plain schema wants definitions.
function asDefinitions(document) {
  const byName = new Map();
  const others = [];
  for (const node of document.definitions) {
    if (!node.name || !/Type(Definition|Extension)$/.test(node.kind)) {
      others.push(node);
      continue;
    }
    const known = byName.get(node.name.value);
    if (!known) {
      byName.set(node.name.value, { ...node, kind: node.kind.replace('Extension', 'Definition') });
      continue;
    }
    for (const part of ['fields', 'values', 'types', 'interfaces']) {
      if (node[part]?.length) known[part] = [...(known[part] ?? []), ...node[part]];
    }
    known.description ??= node.description;
  }
  return { kind: Kind.DOCUMENT, definitions: [...others, ...byName.values()] };
}
