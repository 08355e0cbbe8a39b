"""How the page comes to the browser: its files and no others, with headers that bind the browser."""

import pathlib

import pytest

WEB = pathlib.Path(__file__).resolve().parents[2] / "web"
FILES = ["/" if f.name == "index.html" else f"/{f.relative_to(WEB)}" for f in WEB.rglob("*") if f.is_file()] + ["/bootstrap.min.css"]
TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "/": "text/html"}
POLICY = {"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'", "img-src": "'self'",
          "form-action": "'self'", "base-uri": "'none'", "frame-ancestors": "'none'"}



@pytest.mark.parametrize("path", sorted(FILES))
def test_every_file_is_served_to_everybody_with_a_strict_policy(lab, path):
    connection = lab.api.connection()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    name = "index.html" if path == "/" else path[1:]
    file = WEB / name if (WEB / name).exists() else pathlib.Path("/usr/share/javascript/bootstrap5/css") / name
    assert answer.status == 200 and body == file.read_bytes()
    assert answer.getheader("Content-Type").split(";")[0] == TYPES[path.rsplit(".", 1)[-1]]
    assert dict(rule.split(" ", 1) for rule in answer.getheader("Content-Security-Policy").split("; ")) == POLICY
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert answer.getheader("Referrer-Policy") == "no-referrer"
    assert answer.getheader("Cache-Control") == "no-cache"
    etag = answer.getheader("ETag")
    connection.request("GET", path, headers={"If-None-Match": etag})
    again = connection.getresponse()
    assert (again.status, again.read(), again.getheader("ETag")) == (304, b"", etag)
    connection.request("GET", path, headers={"If-None-Match": '"another"'})
    other = connection.getresponse()
    assert (other.status, other.read()) == (200, body)
    connection.close()


@pytest.mark.parametrize("path", ["/index.html", "/views", "/views/", "/views/../app.js", "/../etc/passwd", "/%2e%2e/app.js", "/app.js/",
                                  "//app.js", "/style.css.map", "/web/app.js"])
def test_there_is_nothing_else(lab, path):
    connection = lab.api.connection()
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 404 and answer.getheader("Content-Type") == "application/problem+json", answer.read()
    connection.close()


def test_the_page_is_only_read(lab):
    assert lab.api.request("POST", "/", {})[0] == 405
    assert lab.api.request("DELETE", "/app.js")[0] == 405


def test_openapi_names_every_file(lab):
    paths = lab.api.get("/v1/openapi.json")["paths"]
    for path in FILES:
        assert paths[path]["get"]["security"] == [], path
