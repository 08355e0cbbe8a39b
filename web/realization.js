// Whether what was asked for is so on every host that needs it.
import {h, setText, show} from "/dom.js";

const WORDS = {realized: "Realized", unplaced: "On no host", pending: "Pending", failed: "Failed"};
const RANK = {realized: 0, unplaced: 0, pending: 1, failed: 2};

export function stateOf(object) {
  return object?.status?.realization?.state ?? "pending";
}

// The worst of several; an adapter that is on no host yet makes its network no worse.
export function worstOf(objects) {
  return objects.map(stateOf).reduce((a, b) => (RANK[b] > RANK[a] ? b : a), "realized");
}

export function badge() {
  return h("span", {class: "state"});
}

export function fillBadge(element, state) {
  setText(element, WORDS[state] ?? state);
  element.className = `state state-${state in WORDS ? state : "pending"}`;
}

// Why not yet: counts and reasons, each reason once.
export function explain(object) {
  const realization = object?.status?.realization;
  if (!realization || realization.state === "realized") return "";
  if (realization.state === "unplaced") return "No host has its interface yet";
  const {applied, pending, offline, failed, not_applied: rest = []} = realization.hosts;
  const all = applied + pending + offline + failed;
  const counts = all ? [`${applied} of ${all} ${all === 1 ? "host has" : "hosts have"} it`] : [];
  if (offline) counts.push(`${offline} offline`);
  const reasons = [...new Set(rest.map((host) => host.reason).filter(Boolean))];
  return [counts.join(", "), ...reasons].filter(Boolean).join(". ");
}

// A badge with its explanation below, to be filled again and again.
export function stateCell() {
  const mark = badge();
  const why = h("div", {class: "why", hidden: true});
  return {
    root: h("div", {}, mark, why),
    fill(object) {
      const reason = explain(object);
      fillBadge(mark, stateOf(object));
      setText(why, reason);
      show(why, Boolean(reason));
    },
  };
}
