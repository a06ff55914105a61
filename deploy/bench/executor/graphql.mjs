// graphql-js over the graph of graph.py: `serve PORT` behind bare node:http, or `execute` alone.
// Documents are parsed and validated once, as a careful server does.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { argv, env, stdin, stdout } from 'node:process';

const require = createRequire(`${env.GATEWAY}/package.json`);
const { buildSchema, execute, parse, validate } = require('graphql');

const schema = buildSchema(`
  scalar _Any
  union _Entity = Course
  type Course { id: ID! title: String! language: String! seats: Int! rating: Float! isOpen: Boolean! }
  type User { id: ID! name: String! courses: [Course!]! awaitedCourses: [Course!]! }
  type Query {
    ping: String!
    courses(first: Int!): [Course!]!
    users(first: Int!): [User!]!
    _entities(representations: [_Any!]!): [_Entity]!
  }
`);
const languages = ['en', 'pt', 'de', 'fr'];
const courses = Array.from({ length: 1000 }, (_, n) => ({
  id: String(n),
  title: `Course ${n}`,
  language: languages[n % 4],
  seats: n % 30,
  rating: 1 + (n % 4) + 0.5,
  isOpen: n % 2 === 0,
}));
const byId = new Map(courses.map((course) => [course.id, course]));
const users = Array.from({ length: 20 }, (_, n) => ({ id: String(n), name: `User ${n}` }));

/** Loads together what is asked for in one turn, like the dataloader package. */
class Loader {
  #keys = [];
  #waiting = [];
  #known = new Map();
  constructor(load) {
    this.load_ = load;
  }
  load(key) {
    let promise = this.#known.get(key);
    if (promise === undefined) {
      promise = new Promise((resolve) => {
        if (this.#keys.push(key) === 1) Promise.resolve().then(() => process.nextTick(() => this.#send()));
        this.#waiting.push(resolve);
      });
      this.#known.set(key, promise);
    }
    return promise;
  }
  async #send() {
    const [keys, waiting] = [this.#keys, this.#waiting];
    [this.#keys, this.#waiting] = [[], []];
    const values = await this.load_(keys);
    waiting.forEach((resolve, n) => resolve(values[n]));
  }
}

const query = schema.getQueryType().getFields();
query.ping.resolve = () => 'pong';
query.courses.resolve = (_, { first }) => courses.slice(0, first);
query.users.resolve = (_, { first }) => users.slice(0, first);
query._entities.resolve = (_, { representations }) => representations.map(({ id }) => byId.get(id));
schema.getType('_Entity').resolveType = () => 'Course';
const user = schema.getType('User').getFields();
user.courses.resolve = (user, _, context) => context.courses.load(user.id);
user.awaitedCourses.resolve = async (user, _, context) => await context.courses.load(user.id);

const context = () => ({
  courses: new Loader(async (ids) => ids.map((id) => courses.slice(5 * id, 5 * id + 5))),
});
const documents = new Map();

function answer({ query: text, variables }) {
  let known = documents.get(text);
  if (known === undefined) {
    const document = parse(text);
    known = { document, errors: validate(schema, document) };
    documents.set(text, known);
  }
  if (known.errors.length > 0) return { errors: known.errors };
  return execute({ schema, document: known.document, variableValues: variables, contextValue: context() });
}

function serve(port) {
  const server = createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', async () => {
      const result = await answer(JSON.parse(Buffer.concat(chunks)));
      const body = JSON.stringify({ data: result.data, errors: result.errors });
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      response.writeHead(200, headers).end(body);
    });
  });
  server.keepAliveTimeout = 75_000;
  server.listen(port, '127.0.0.1');
}

/** Microseconds per execution in each round of each case of stdin: [[body, number], ...]. */
async function measure() {
  const chunks = [];
  for await (const chunk of stdin) chunks.push(chunk);
  const { cases, rounds } = JSON.parse(Buffer.concat(chunks));
  const found = cases.map(() => []);
  for (let round = 0; round < rounds + 1; round += 1) {
    for (const [at, [body, number]] of cases.entries()) {
      const asked = Array.from({ length: number }, () => JSON.parse(body));
      const started = process.hrtime.bigint();
      for (const each of asked) {
        const result = answer(each);
        if (result.then) await result;
      }
      const micros = Number(process.hrtime.bigint() - started) / 1000 / number;
      if (round > 0) found[at].push(micros);
    }
  }
  stdout.write(JSON.stringify(found));
}

if (argv[2] === 'serve') serve(Number(argv[3]));
else await measure();
