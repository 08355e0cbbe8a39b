"""Which index a query takes, judged with the statistics of a big database. The controller's database has no statistics,
so SQLite guesses: of two indexes with as many columns it may take the one that finds a million rows where the other
finds two. Each query of the controller's sources is planned twice, as the controller would have it planned and with
sqlite_stat1 filled for the database below; a plan of the first kind that looks at many more rows than one of the second
is refused. Queries that are made from the resource tables are judged by tests/component/controller/store/plan.c."""
import ast
import pathlib
import re
import sqlite3
import subprocess
import sys

HOSTS, TENANTS, NETWORKS, SUBNETS, ADAPTERS, GROUPS, SITES = 10_000, 5_000, 100_000, 200_000, 1_000_000, 500, 200
POOLS, LOGICAL_NETWORKS, HISTORY = 200_000, 20, 1_000_000
ROWS = {
    "host": HOSTS, "host_group": GROUPS, "network_site": SITES, "network_site_host_group_ids": GROUPS,
    "logical_network": LOGICAL_NETWORKS, "ip_pool": POOLS, "mac_pool": 50, "tenant": TENANTS, "vm_network": NETWORKS,
    "vm_subnet": SUBNETS, "network_adapter": ADAPTERS, "lookup_record": ADAPTERS, "ip_allocation": ADAPTERS,
    "network_adapter_ip_allocations": ADAPTERS, "provider_address": 2 * HOSTS * LOGICAL_NETWORKS, "host_switch": HOSTS,
    "host_switch_uplinks": 2 * HOSTS, "host_switch_host_adapters": HOSTS, "host_group_switch": 5 * GROUPS,
    "network_site_subnet_vlans": 10 * SITES, "customer_route": NETWORKS, "access_control_list": NETWORKS,
    "access_control_list_rules": 20 * NETWORKS,
    "event": HISTORY, "audit_record": HISTORY, "change_log": 2 * HISTORY, "label": ADAPTERS, "job": NETWORKS,
    "compliance": NETWORKS, "orphan": NETWORKS, "token": TENANTS, "session": TENANTS, "user": TENANTS,
    "role_binding": TENANTS, "idempotency": NETWORKS, "address_holding": HISTORY, "vsid_retired": NETWORKS,
    "profile_hold": NETWORKS, "join_token": GROUPS, "join_token_use": HOSTS,
}
ROWS_ELSE = 10_000
PAGE = 100
PARTIAL = 1000  # a partial index knows so much less than its table has: what waits, what is open
# Different values in the column of that name, in every table; a column that is not here is all but unique.
VALUES = {
    "tenant_id": TENANTS, "host_id": HOSTS, "target_host_id": HOSTS, "host_group_id": GROUPS, "parent_id": GROUPS,
    "network_site_id": SITES, "logical_network_id": LOGICAL_NETWORKS, "vm_network_id": NETWORKS,
    "vm_subnet_id": SUBNETS, "ip_pool_id": POOLS, "network_adapter_id": ADAPTERS, "classification_id": 10,
    "virtual_port_profile_id": 20,
    "logical_switch_id": 20, "uplink_port_profile_id": 20, "state": 4, "remediation": 2, "isolation": 4, "kind": 8,
    "reason": 30, "object_kind": 20, "metric": 3, "user_id": TENANTS, "role_binding_id": TENANTS, "position": 4,
    "uplink": 4, "label_kind": 20, "label_name": 50, "label_value": 200, "label_tenant_id": TENANTS, "vlan_id": 4000,
    "retired_at_revision": 1000, "principal_id": TENANTS, "resource": 40, "ended_at": 100, "profile_id": 20,
}
# Rows of one tenant in the tables of the fabric: hardly any.
FABRIC = {"host", "host_group", "network_site", "logical_network", "provider_address", "event", "compliance", "job"}
QUERIES_MIN = 200  # fewer: they are no longer found in the sources
TIMES_MAX, ROWS_MIN = 3, 100  # so many times as many rows, and at least so many, are the wrong index

TOKEN = re.compile(r"""(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<space>\s+)|'(?:\\.|[^'\\])'|\w+|.""", re.S)
DEFINE = re.compile(r"""^#define \w+(?:\([\w, ]*\))?[ \t](?:[^\n\\]|\\\n|\\.)*"(?:[^\n\\]|\\\n|\\.)*$""", re.M)
STEP = re.compile(r"(?P<how>SEARCH|SCAN) (?!CONSTANT)\S+(?: USING (?:COVERING )?(?:INDEX (?P<index>\w+)|PRIMARY KEY))?"
                  r"(?: \((?P<columns>.*)\))?")
QUERY = re.compile(r"(SELECT|INSERT|UPDATE|DELETE|WITH|REPLACE)\s")


def preprocessed(root: pathlib.Path) -> str:
    """All sources with their macros expanded. What they include is left out, but for the macros of the house's headers:
    the preprocessor needs nothing else to put the texts together."""
    headers, sources = [], []
    for path in sorted((root / "controller").rglob("*.[ch]")):
        text = re.sub(r"^#(include|pragma).*$", "", path.read_text(), flags=re.M)
        if path.suffix == ".h":
            headers += DEFINE.findall(text)
        else:
            own = re.findall(r"^#define (\w+)", text, re.M)
            sources += [text] + [f"#undef {name}" for name in own]
    run = subprocess.run(["cc", "-E", "-P", "-x", "c", "-w", "-"], input="\n".join(headers + sources), text=True,
                         capture_output=True, check=True)
    return run.stdout


def queries(text: str) -> list[str]:
    """The SQL among the string literals, adjacent ones joined; without the patterns of SQL that is made later."""
    found: list[str] = []
    joined = ""
    for token in TOKEN.finditer(text + ";"):
        if token["text"]:
            joined += ast.literal_eval(token["text"])
        elif not token["space"]:
            found += [joined] if QUERY.match(joined) and "%" not in joined else []
            joined = ""
    return found


def open_schema(folder: pathlib.Path) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    for path in sorted(folder.glob("*.sql")):
        db.executescript(path.read_text())
    return db


def rows_found(rows: int, table: str, columns: list[str]) -> int:
    """Of so many rows those that are alike in these columns."""
    left = rows
    for column in columns:
        left //= 1 if column == "tenant_id" and table in FABRIC else VALUES.get(column, rows)
    return max(left, 1)


def fill_statistics(db: sqlite3.Connection) -> None:
    db.execute("ANALYZE sqlite_schema")
    db.execute("DELETE FROM sqlite_stat1")
    indexes = db.execute("""SELECT t.name, i.name, i."unique", i.partial FROM sqlite_schema t,
                            pragma_index_list(t.name) i WHERE t.type = 'table'""").fetchall()
    for table, index, unique, partial in indexes:
        columns = [row[0] for row in db.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (index,))]
        rows = max(ROWS.get(table, ROWS_ELSE) // (PARTIAL if partial else 1), 1)
        figures = [rows] + [rows_found(rows, table, columns[:n + 1]) for n in range(len(columns))]
        if unique:
            figures[-1] = 1
        # A table without rowid goes by its own name for its primary key.
        name = table if index.startswith("sqlite_autoindex") else index
        db.execute("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", (table, name, " ".join(map(str, figures))))
    db.execute("ANALYZE sqlite_schema")


def plan(db: sqlite3.Connection, sql: str) -> list[str]:
    numbers = [int(number) for number in re.findall(r"\?(\d+)", sql)]
    return [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql, [None] * max(numbers, default=0))]


def rows_looked_at(db: sqlite3.Connection, sql: str, lines: list[str]) -> int:
    """By the statistics; what stands in a loop is looked at for each row of the loops around it."""
    total, around = 0, 1
    for line in lines:
        step = STEP.match(line)
        if not step or (step["how"] == "SEARCH" and not step["index"]):
            total += around if step else 0
            continue
        figures = [max(ROWS.values())]
        if step["index"]:
            stat, = db.execute("SELECT stat FROM sqlite_stat1 WHERE idx = ?", (step["index"],)).fetchone()
            figures = [int(figure) for figure in stat.split()]
        columns = step["columns"] or ""
        equal = columns.count("=?")
        # A page that begins somewhere in an index ends where it is full.
        around *= PAGE if columns and not equal and "LIMIT" in sql else figures[min(equal, len(figures) - 1)]
        total += around
    return total


def wrong(plain: sqlite3.Connection, big: sqlite3.Connection, sql: str) -> str | None:
    guessed, informed = plan(plain, sql), plan(big, sql)
    if any(re.match(r"SCAN (?!CONSTANT|sqlite_|pragma_)", line) for line in guessed):
        return f"{sql}\n  reads a whole table: {guessed}"
    looked, best = rows_looked_at(big, sql, guessed), rows_looked_at(big, sql, informed)
    if looked < ROWS_MIN or looked <= TIMES_MAX * best:
        return None
    return f"{sql}\n  takes  {guessed}: {looked} rows\n  and not {informed}: {best} rows"


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    plain, big = open_schema(root / "schema"), open_schema(root / "schema")
    fill_statistics(big)
    found = queries(preprocessed(root))
    bad = [verdict for verdict in (wrong(plain, big, sql) for sql in found) if verdict]
    # The judge itself must be able to refuse.
    assert wrong(plain, big, "SELECT id FROM provider_address WHERE host_id = ?1 AND logical_network_id = ?2")
    assert wrong(plain, big, "SELECT id FROM host WHERE description = ?1")
    assert not wrong(plain, big, "SELECT id FROM provider_address WHERE host_id = ?1")
    print("\n".join(bad) or f"{len(found)} queries take the index that a big database wants")
    return 1 if bad or len(found) < QUERIES_MIN else 0


sys.exit(main())
