// The REST API. Every refusal becomes a Problem that carries the API's own sentences.

export class Problem extends Error {
  constructor(status, detail, errors = []) {
    super(detail);
    this.status = status;
    this.errors = errors; // {pointer, detail}
  }
}

const state = {csrf: null, sessionEnded: () => {}};

export function useSession(csrf, sessionEnded) {
  state.csrf = csrf;
  state.sessionEnded = sessionEnded;
}

async function problemOf(answer) {
  try {
    const body = await answer.json();
    return new Problem(answer.status, body.detail, body.errors);
  } catch {
    return new Problem(answer.status, `The controller answered ${answer.status}; try again in a moment.`);
  }
}

export async function request(method, path, body) {
  const headers = {Accept: "application/json"};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && state.csrf) headers["X-CSRF-Token"] = state.csrf;
  let answer;
  try {
    answer = await fetch(path, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store", redirect: "error",
    });
  } catch {
    throw new Problem(0, "The controller does not answer. Look at your connection and try again.");
  }
  if (!answer.ok) {
    const problem = await problemOf(answer);
    if (answer.status === 401 && state.csrf) state.sessionEnded(problem.message);
    throw problem;
  }
  return answer.status === 204 ? null : answer.json();
}

// All objects of a collection, page by page.
export async function list(collection) {
  const items = [];
  let token = null;
  do {
    const next = token ? `&page_token=${encodeURIComponent(token)}` : "";
    const page = await request("GET", `/v1/${collection}?limit=1000${next}`);
    items.push(...page.items);
    token = page.next_page_token;
  } while (token);
  return items;
}
