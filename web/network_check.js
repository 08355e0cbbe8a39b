// What a form about a VM network can know to be wrong without asking: [{field, sentence}], where field is "name" or
// "subnets/<i>/prefix" and the like. The API judges the same again, and more.
import {contains, formatPrefix, networkOf, overlap, parseAddress, parsePrefix} from "/address.js";

const NAME_MAX = 255;

export function checkName(name, what) {
  if (!name) return `Give the ${what} a name.`;
  return [...name].length > NAME_MAX ? `A name has at most ${NAME_MAX} characters.` : null;
}

export function checkPrefix(text) {
  if (!text) return "Give a prefix, such as 10.0.0.0/24.";
  const prefix = parsePrefix(text);
  if (!prefix) return `"${text}" is not a prefix; write an address and a length, such as 10.0.0.0/24.`;
  if (networkOf(prefix).value !== prefix.value)
    return `${text} has bits set after its length; did you mean ${formatPrefix(networkOf(prefix))}?`;
  if (prefix.version === 4 && (prefix.length < 8 || prefix.length > 29)) return "IPv4 subnets are /8 to /29.";
  return prefix.version === 6 && prefix.length !== 64 ? "IPv6 subnets are /64." : null;
}

export function splitList(text) {
  return text.split(/[\s,]+/).filter(Boolean);
}

export function checkAddresses(text) {
  const bad = splitList(text).find((word) => !parseAddress(word));
  return bad === undefined ? null : `"${bad}" is not an IP address.`;
}

function checkRange(pool, prefix, add) {
  const ends = {};
  for (const [key, word] of [["range_start", "first"], ["range_end", "last"]]) {
    const text = pool[key];
    const address = text && parseAddress(text);
    if (!text) add(key, `Give the ${word} address of the pool.`);
    else if (!address) add(key, `"${text}" is not an IP address.`);
    else if (prefix && !contains(prefix, address)) add(key, `${text} is not inside ${formatPrefix(prefix)}.`);
    else ends[key] = address;
  }
  if (ends.range_start && ends.range_end && ends.range_end.value < ends.range_start.value)
    add("range_end", "The last address comes before the first.");
}

// plan: {name, subnets: [{name, prefix, pool: null | {range_start, range_end, dns_servers}}]}
export function checkNetwork(plan) {
  const found = [];
  const good = []; // prefixes so far, with the number of their subnet
  const add = (field, sentence) => sentence && found.push({field, sentence});
  add("name", checkName(plan.name, "VM network"));
  plan.subnets.forEach((subnet, i) => {
    const here = (field, sentence) => add(`subnets/${i}/${field}`, sentence);
    const twin = plan.subnets.findIndex((other) => other.name === subnet.name);
    here("name", checkName(subnet.name, "subnet"));
    if (subnet.name && twin < i) here("name", `Subnet ${twin + 1} has this name already.`);
    const wrong = checkPrefix(subnet.prefix);
    const prefix = wrong ? null : parsePrefix(subnet.prefix);
    const other = prefix && good.find((one) => overlap(one.prefix, prefix));
    here("prefix", wrong);
    if (other) here("prefix", `${subnet.prefix} overlaps ${formatPrefix(other.prefix)} of subnet ${other.number}.`);
    if (prefix) good.push({prefix, number: i + 1});
    if (!subnet.pool) return;
    checkRange(subnet.pool, prefix, here);
    here("dns_servers", checkAddresses(subnet.pool.dns_servers));
  });
  return found;
}
