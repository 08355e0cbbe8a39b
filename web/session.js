// Who is logged in. The cookie is out of reach of scripts; what we hold is the token that every write carries.
import {request, useSession} from "/api.js";

// The session of the cookie that the browser still has, or null.
export async function resume(sessionEnded) {
  useSession(null, () => {});
  let who;
  try {
    who = await request("GET", "/v1/sessions/current");
  } catch (problem) {
    if (problem.status === 401) return null;
    throw problem;
  }
  useSession(who.csrf_token, sessionEnded);
  return {name: who.name, role: who.role, tenantId: who.tenant_id};
}

export async function logIn(name, password, roleBindingId) {
  useSession(null, () => {});
  await request("POST", "/v1/sessions", {name, password, ...(roleBindingId ? {role_binding_id: roleBindingId} : {})});
}

export async function logOut() {
  await request("DELETE", "/v1/sessions/current");
  useSession(null, () => {});
}

// A refused login of somebody with several roles names them: "<id>: <role> of the tenant ...".
export function rolesOffered(problem) {
  const found = [];
  for (const {pointer, detail} of problem.errors ?? []) {
    const match = pointer === "/role_binding_id" && /^([0-9a-f-]{36}): (.+)$/.exec(detail);
    if (match) found.push({id: match[1], text: match[2]});
  }
  return found;
}
