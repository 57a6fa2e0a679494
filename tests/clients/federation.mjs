// @apollo/composition and @apollo/gateway: composes us with a second subgraph, and answers a query across both.
// node federation.mjs <labelgate url> <path of its SDL>
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { composeServices } from '@apollo/composition';
import { ApolloGateway, RemoteGraphQLDataSource } from '@apollo/gateway';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { graphql, parse } from 'graphql';

const [url, sdlPath] = process.argv.slice(2);
const invoices = parse(`
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@external", "@shareable"])
  type Query { invoices: [Invoice!]! invoicePages: InvoiceConnection! }
  type Invoice @key(fields: "number") { number: ID! tasks: [Task!]! }
  type Task @key(fields: "sourceName externalId", resolvable: false) { sourceName: String! externalId: String! }
  extend type Campaign @key(fields: "id") { id: ID! @external budget: Int! }
  type InvoiceConnection { pageInfo: PageInfo! }
  type PageInfo @shareable { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
`);
const numbers = ['1', '2', '3'];
const resolvers = {
  Query: {
    invoices: () => numbers.map((number) => ({ number })),
    invoicePages: () => ({ pageInfo: { hasNextPage: false, hasPreviousPage: false } }),
  },
  Invoice: { tasks: ({ number }) => [{ sourceName: 'reef', externalId: `t${number}` }] },
  Campaign: { __resolveReference: ({ id }) => ({ id, budget: 1000 }) },
};
const composed = composeServices([
  { name: 'labelgate', url, typeDefs: parse(readFileSync(sdlPath, 'utf8')) },
  { name: 'invoices', url: 'http://127.0.0.1:0/', typeDefs: invoices },
]);
if (composed.errors?.length) {
  console.log(JSON.stringify({ composition: composed.errors.map(({ message }) => message) }));
  process.exit(0);
}
const schema = buildSubgraphSchema({ typeDefs: invoices, resolvers });
const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { query, variables, operationName } = JSON.parse(body);
  const result = await graphql({ schema, source: query, variableValues: variables, operationName });
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(result));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const invoicesUrl = `http://127.0.0.1:${server.address().port}/`;
const asked = [];
const gateway = new ApolloGateway({
  supergraphSdl: composed.supergraphSdl.replace('http://127.0.0.1:0/', invoicesUrl),
  buildService: ({ url: serviceUrl, name }) =>
    new RemoteGraphQLDataSource({ url: serviceUrl, willSendRequest: () => asked.push(name) }),
});
const { schema: api, executor } = await gateway.load();
const source = `{ invoices { number tasks { externalId status campaign { name budget } source { name } } } }`;
const document = parse(source);
const result = await executor({
  document,
  source,
  request: { query: source, variables: {} },
  operationName: null,
  operation: document.definitions[0],
  queryHash: 'h',
  context: {},
  cache: new Map(),
  schema: api,
  logger: console,
  metrics: {},
  overallCachePolicy: { restrict() {}, policyIfCacheable() {} },
});
console.log(JSON.stringify({ composition: [], asked, result }));
process.exit(0);
