// IPv4 and IPv6 addresses and prefixes as numbers: {version, value} and {version, value, length}.

const BITS = {4: 32, 6: 128};

function parseV4(text) {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) < 256)) return null;
  return parts.reduce((value, part) => value * 256n + BigInt(part), 0n);
}

function parseV6(text) {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const groups = halves.map((half) => (half ? half.split(":") : []));
  const given = groups.flat();
  const missing = 8 - given.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  if (!given.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null;
  const all = halves.length === 2 ? [...groups[0], ...Array(missing).fill("0"), ...groups[1]] : given;
  return all.reduce((value, group) => value * 65536n + BigInt(`0x${group}`), 0n);
}

export function parseAddress(text) {
  const version = text.includes(":") ? 6 : 4;
  const value = version === 6 ? parseV6(text) : parseV4(text);
  return value === null ? null : {version, value};
}

// As RFC 5952 has it: the longest run of zeros, the first of equals, becomes "::".
function formatV6(value) {
  const groups = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(((value >> shift) & 0xffffn).toString(16));
  let best = {at: 0, length: 1};
  for (let at = 0; at < 8; at += 1) {
    let length = 0;
    while (groups[at + length] === "0") length += 1;
    if (length > best.length) best = {at, length};
  }
  if (best.length < 2) return groups.join(":");
  return `${groups.slice(0, best.at).join(":")}::${groups.slice(best.at + best.length).join(":")}`;
}

export function formatAddress({version, value}) {
  if (version === 6) return formatV6(value);
  return [24n, 16n, 8n, 0n].map((shift) => ((value >> shift) & 255n).toString()).join(".");
}

function hostMask({version, length}) {
  return (1n << BigInt(BITS[version] - length)) - 1n;
}

// null, or {version, value, length}; value may have bits after its length.
export function parsePrefix(text) {
  const match = /^([^/]+)\/(0|[1-9][0-9]{0,2})$/.exec(text);
  const address = match && parseAddress(match[1]);
  const length = match && Number(match[2]);
  return address && length <= BITS[address.version] ? {...address, length} : null;
}

export function networkOf(prefix) {
  return {...prefix, value: prefix.value & ~hostMask(prefix)};
}

export function formatPrefix(prefix) {
  return `${formatAddress(prefix)}/${prefix.length}`;
}

export function contains(prefix, address) {
  return prefix.version === address.version && (address.value & ~hostMask(prefix)) === networkOf(prefix).value;
}

export function overlap(a, b) {
  return a.version === b.version && (contains(a, b) || contains(b, a));
}

// What a pool of the whole prefix may hand out: not the network, the gateway (the first address), nor the broadcast.
export function usableRange(prefix) {
  const first = networkOf(prefix).value;
  const last = first + hostMask(prefix);
  const start = {version: prefix.version, value: first + 2n};
  const end = {version: prefix.version, value: prefix.version === 4 ? last - 1n : last};
  return {start, end};
}
