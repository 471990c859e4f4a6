# Varnish before read-api: keeps public answers for as long as they say, and drops them by tag.
#
#   varnishd -f /etc/varnish/default.vcl -a http=:8080,HTTP -a purge=:8081,HTTP -s malloc,256M -p ban_lurker_age=1
#
# As compose.yaml starts it (host `edge`): readers at 8080, purges at 8081. `purge` is for the syncer alone
# (CDN_PROVIDER=varnish, CDN_VARNISH_URLS=http://edge:8081): never publish its port.
# Where read-api is stands in backend.vcl beside this file. Written for Varnish 7 (6.6 and later should do), nothing
# but the modules it comes with.
vcl 4.1;

import std;

include "./backend.vcl";

sub vcl_recv {
    if (req.restarts > 0) {
        # The origin failed: what has expired, but may still be shown then (stale-if-error), is better than an error.
        set req.grace = 4w;
        return (hash);
    }
    unset req.http.Edge-Kept;
    unset req.http.Edge-Retry-After;
    if (req.method == "PURGE" || local.socket == "purge") {
        call take_purge;
    }
    set req.grace = 0s;
    if (req.url ~ "^/(metrics|livez|readyz)") {
        return (synth(404));
    }
    # Streams live long and are never the same twice.
    if (req.url ~ "^/v1/changes([?/]|$)") {
        return (pipe);
    }
    # Who shows a token, asks for their own writes, or asks for anything that is not a public document, asks read-api.
    if ((req.method != "GET" && req.method != "HEAD") || req.http.Authorization || req.http.X-Min-Revision
        || req.url ~ "[?&]min_revision=" || req.url !~ "^/v1/(events|categories)([/?]|$)") {
        return (pass);
    }
    # Public documents depend on nothing but the address. Varnish sees to Accept-Encoding by itself.
    unset req.http.Cookie;
    set req.url = std.querysort(req.url);
    set req.http.Edge-Kept = "1";
    return (hash);
}

# No answer depends on the host: whoever invents hosts fills nothing.
sub vcl_hash {
    hash_data(req.url);
    return (lookup);
}

# Ends every request on the purge listener, and every PURGE on the public one.
sub take_purge {
    if (local.socket != "purge" || req.method != "PURGE") {
        return (synth(405));
    }
    if (req.http.Purge-Everything) {
        if (!std.ban("obj.status != 0")) {
            return (synth(500, "Not purged"));
        }
        return (synth(200, "Purged"));
    }
    # Nothing that could be read as another expression, or matched as another tag, gets into a ban.
    if (req.http.Surrogate-Key !~ "^[a-z0-9:._-]+( [a-z0-9:._-]+)*$") {
        return (synth(400, "No tags"));
    }
    set req.http.Edge-Ban = regsuball(regsuball(req.http.Surrogate-Key, "[.]", "[.]"), " ", "|");
    # `obj` alone: the lurker can work it off in the background.
    if (!std.ban("obj.http.Surrogate-Key ~ (^|[[:space:]])(" + req.http.Edge-Ban + ")($|[[:space:]])")) {
        return (synth(500, "Not purged"));
    }
    return (synth(200, "Purged"));
}

sub vcl_backend_fetch {
    unset bereq.http.Edge-Kept;
    set bereq.http.Edge-Began = std.time2real(now, 0.0);
}

sub vcl_backend_response {
    if (bereq.uncacheable) {
        return (deliver);
    }
    if (beresp.status >= 500) {
        # A fetch that ends in an answer, whatever it says, replaces what has expired; one that fails leaves it.
        if (bereq.is_bgfetch) {
            return (abandon);
        }
        set bereq.http.Edge-Retry-After = beresp.http.Retry-After;
        return (error(beresp.status, beresp.reason));
    }
    # A public document says so, and bears the tags it can be purged by. Anything else is not kept; that it is not is
    # remembered for a moment, so that nobody waits for the answer of another.
    if (beresp.status != 200 || beresp.http.Set-Cookie || beresp.http.Surrogate-Key !~ "[a-z0-9]"
        || beresp.http.Vary ~ "(?i)([*]|authorization|cookie)"
        || beresp.http.Cache-Control ~ "(?i)(private|no-store)"
        || (!beresp.http.CDN-Cache-Control && beresp.http.Cache-Control ~ "(?i)no-cache")
        || beresp.http.CDN-Cache-Control ~ "(?i)(private|no-store|no-cache)") {
        call not_kept;
        return (deliver);
    }
    # RFC 9213: what is said to CDNs counts more than what is said to all (which is in `ttl` already).
    if (beresp.http.CDN-Cache-Control ~ "(?i)s-maxage=[0-9]+") {
        set beresp.ttl = std.duration(regsub(beresp.http.CDN-Cache-Control, "(?i)^.*s-maxage=([0-9]+).*$", "\1") + "s", 0s);
    } else if (beresp.http.CDN-Cache-Control ~ "(?i)max-age=[0-9]+") {
        set beresp.ttl = std.duration(regsub(beresp.http.CDN-Cache-Control, "(?i)^.*max-age=([0-9]+).*$", "\1") + "s", 0s);
    }
    # An answer that was long on its way may say what was before a purge that came meanwhile: a ban does not meet what
    # is stored after it. So such an answer is shown, and not kept. The purger says every purge once more after
    # CDN_REPEAT_AFTER, which must be longer than this, for what came in just below it.
    if (beresp.ttl <= 0s || now - std.real2time(std.real(bereq.http.Edge-Began, 0.0), now) > 2s) {
        call not_kept;
        return (deliver);
    }
    set beresp.grace = 0s;
    if (beresp.http.CDN-Cache-Control ~ "(?i)stale-if-error=[0-9]+") {
        set beresp.grace = std.duration(
            regsub(beresp.http.CDN-Cache-Control, "(?i)^.*stale-if-error=([0-9]+).*$", "\1") + "s", 0s);
    } else if (!beresp.http.CDN-Cache-Control && beresp.http.Cache-Control ~ "(?i)stale-if-error=[0-9]+") {
        set beresp.grace = std.duration(
            regsub(beresp.http.Cache-Control, "(?i)^.*stale-if-error=([0-9]+).*$", "\1") + "s", 0s);
    }
    return (deliver);
}

sub not_kept {
    set beresp.uncacheable = true;
    set beresp.ttl = 1s;
    set beresp.grace = 0s;
}

sub vcl_miss {
    if (req.restarts > 0) {
        # Nothing to fall back on; asking once more would only add to the origin's trouble.
        return (synth(std.integer(req.http.Edge-Status, 503)));
    }
}

sub vcl_deliver {
    if (req.http.Edge-Kept && resp.status >= 500 && req.restarts == 0) {
        set req.http.Edge-Status = resp.status;
        set req.http.Edge-Retry-After = resp.http.Retry-After;
        return (restart);
    }
    call sign;
}

sub sign {
    if (resp.http.Cache-Status) {
        set resp.http.Cache-Status = resp.http.Cache-Status + ", ";
    }
    if (obj.hits > 0 && req.restarts > 0) {
        set resp.http.Cache-Status = resp.http.Cache-Status + "edge; hit; detail=stale-if-error";
    } else if (obj.hits > 0) {
        set resp.http.Cache-Status = resp.http.Cache-Status + "edge; hit";
    } else if (obj.uncacheable) {
        set resp.http.Cache-Status = resp.http.Cache-Status + "edge; fwd=bypass";
    } else {
        set resp.http.Cache-Status = resp.http.Cache-Status + "edge; fwd=miss; stored";
    }
    # For caches, not for browsers.
    unset resp.http.Surrogate-Key;
    unset resp.http.Cache-Tag;
    unset resp.http.CDN-Cache-Control;
    unset resp.http.Surrogate-Control;
    unset resp.http.X-Varnish;
    unset resp.http.Via;
}

sub vcl_synth {
    set resp.http.Content-Type = "application/problem+json";
    set resp.http.Cache-Control = "no-store";
    if (req.http.Edge-Retry-After) {
        set resp.http.Retry-After = req.http.Edge-Retry-After;
    }
    set resp.body = {"{"type":"about:blank","status":"} + resp.status + {","title":""} + resp.reason + {"""} + "}";
    return (deliver);
}

sub vcl_backend_error {
    set beresp.ttl = 0s;
    set beresp.grace = 0s;
    set beresp.http.Content-Type = "application/problem+json";
    set beresp.http.Cache-Control = "no-store";
    set beresp.http.Retry-After = "1";
    if (bereq.http.Edge-Retry-After) {
        set beresp.http.Retry-After = bereq.http.Edge-Retry-After;
    }
    set beresp.body = {"{"type":"about:blank","status":"} + beresp.status + {","title":""} + beresp.reason + {"""} + "}";
    return (deliver);
}
