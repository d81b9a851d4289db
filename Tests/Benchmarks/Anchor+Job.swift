import Glibc

extension Anchor {
    /// nginx that does with Lua what a gateway is for: it looks a key up and exchanges it for the provider's,
    /// keeps a rate, parses request and answer as JSON, counts a tenant's tokens and logs calls.
    ///
    /// - Throws: when the modules are missing (`libnginx-mod-http-lua` and `lua-cjson` of Debian).
    static func startDoingTheJob(
        folder: String, upstream: UInt16, port: UInt16, key: String
    ) throws -> Anchor {
        let modules = "/usr/lib/nginx/modules"
        guard access("\(modules)/ngx_http_lua_module.so", R_OK) == 0 else {
            throw BenchFailure(text: "nginx has no Lua here: install libnginx-mod-http-lua and lua-cjson")
        }
        let log = #"{"at":"$time_iso8601","status":$status,"seconds":$request_time,"bytes":$body_bytes_sent}"#
        let servers = """
            log_format calls escape=json '\(log)';
            access_log \(folder)/job-access.log calls buffer=64k flush=1s;
            lua_package_cpath "\(Self.luaLibraries)";
            lua_shared_dict keys 4m;
            lua_shared_dict counters 4m;
            limit_req_zone $http_authorization zone=rate:10m rate=1000000r/s;
            init_by_lua_block {
                json = require "cjson.safe"
                ngx.shared.keys:set("Bearer \(key)", "tenant-1")
            }
            upstream provider { server 127.0.0.1:\(upstream); keepalive 256; keepalive_requests 1000000000; }
            server {
                listen 127.0.0.1:\(port);
                location / {
                    limit_req zone=rate burst=100000 nodelay;
                    access_by_lua_block { \(admission) }
                    body_filter_by_lua_block { \(metering) }
                    proxy_pass http://provider;
                }
            }
            """
        let loaded = ["ndk_http_module", "ngx_http_lua_module"].map { "load_module \(modules)/\($0).so;" }
        return Anchor(
            port: port,
            child: try Bench.nginx("job", servers, folder, modules: loaded.joined(separator: "\n")))
    }

    private static let luaLibraries = ["x86_64", "aarch64"]
        .map { "/usr/lib/\($0)-linux-gnu/lua/5.1/?.so;" }.joined()

    private static let admission = """
        local tenant = ngx.shared.keys:get(ngx.var.http_authorization or "")
        if not tenant then return ngx.exit(401) end
        ngx.req.read_body()
        local call = json.decode(ngx.req.get_body_data() or "")
        if not call or not call.model then return ngx.exit(400) end
        ngx.ctx.tenant = tenant
        ngx.shared.counters:incr(tenant .. ":calls", 1, 0)
        ngx.req.set_header("Authorization", "Bearer provider-key")
        """

    private static let metering = """
        local context = ngx.ctx
        context.body = (context.body or "") .. ngx.arg[1]
        if not ngx.arg[2] then return end
        local answer = json.decode(context.body)
        local usage = answer and answer.usage
        if usage and context.tenant then
            ngx.shared.counters:incr(context.tenant .. ":in", usage.prompt_tokens, 0)
            ngx.shared.counters:incr(context.tenant .. ":out", usage.completion_tokens, 0)
        end
        """
}
