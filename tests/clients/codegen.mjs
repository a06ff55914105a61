// graphql-codegen over a schema and documents: JSON {schema, documents: [{path, text}]} in, types out.
import { codegen } from '@graphql-codegen/core';
import * as typescript from '@graphql-codegen/typescript';
import * as operations from '@graphql-codegen/typescript-operations';
import { buildSchema, parse } from 'graphql';

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { schema, documents } = JSON.parse(Buffer.concat(chunks).toString('utf8'));

const output = await codegen({
  filename: 'graphql.ts',
  schema: parse(schema),
  schemaAst: buildSchema(schema),
  documents: documents.map(({ path, text }) => ({ location: path, document: parse(text) })),
  plugins: [{ typescript: {} }, { operations: {} }],
  pluginMap: { typescript, operations },
  config: { scalars: { DateTime: 'string', MinorUnits: 'number', Currency: 'string' } },
});
process.stdout.write(output);
