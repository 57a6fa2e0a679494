// npm graphql-sse: subscribes, is told, resumes after its connection is cut, and is refused.
import { createClient } from 'graphql-sse';

const [url, token, changeUrl] = process.argv.slice(2);
const query = 'subscription { taskChanged { id status } }';
const out = { events: [], connects: 0 };
const abort = { current: null };

const client = createClient({
  url,
  headers: { authorization: `Bearer ${token}` },
  retryAttempts: 5,
  retry: async () => {},
  fetchFn: (target, init) => {
    out.connects += 1;
    abort.current = new AbortController();
    const signal = AbortSignal.any([init.signal, abort.current.signal]);
    return fetch(target, { ...init, signal });
  },
});
await new Promise((resolve, reject) => {
  const timer = setInterval(() => fetch(changeUrl).catch(() => {}), 400);
  setTimeout(() => reject(new Error(`nothing came: ${JSON.stringify(out)}`)), 25_000).unref();
  client.subscribe({ query }, {
    next: ({ data }) => {
      out.events.push(data.taskChanged.id);
      if (out.events.length >= 2) {
        clearInterval(timer);
        resolve();
      }
    },
    error: reject,
    complete: () => {},
  });
});
client.dispose();

const outcome = (payload, headers) =>
  new Promise((resolve) => {
    const other = createClient({ url, headers, retryAttempts: 0 });
    let last = null;
    other.subscribe(payload, {
      next: (result) => (last = result),
      error: (problem) => resolve(problem.response?.status ?? String(problem)),
      complete: () => resolve(last?.errors?.[0].extensions.code ?? last?.data),
    });
  });
out.wrongToken = await outcome({ query }, { authorization: 'Bearer nonsense' });
out.wrongQuery = await outcome({ query: 'subscription { nothing }' }, { authorization: `Bearer ${token}` });
out.query = await outcome({ query: '{ viewer { name } }' }, { authorization: `Bearer ${token}` });
console.log(JSON.stringify(out));
process.exit(0);
