// Runs the audits of npm graphql-http against a served gateway: node audit.mjs <url>. Prints JSON.
import { auditServer } from 'graphql-http';

const results = await auditServer({ url: process.argv[2] });
const seen = results.map(({ id, name, status, reason }) => ({ id, name, status, reason }));
console.log(JSON.stringify(seen));
