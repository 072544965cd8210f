-- Asks the gateway whether a request is allowed: HAProxy 2.6 or later has no such action of its own.
--
--   http-request lua.forward-auth http://127.0.0.1:8081/auth
--
-- sets txn.auth_status to the status of the answer, txn.authid, txn.authrole, txn.authmethod and txn.auth_client to the
-- headers that tell who the client is, and txn.auth_location to the login page, if there is one. Without an answer txn.auth_status is not set.

-- The client's headers that the gateway needs. A policy may want more of them.
local asked = { "accept", "cookie", "host", "origin", "user-agent" }

local told = {
    ["wampgate-authid"] = "txn.authid",
    ["wampgate-authrole"] = "txn.authrole",
    ["wampgate-authmethod"] = "txn.authmethod",
    ["wampgate-client"] = "txn.auth_client",
    ["location"] = "txn.auth_location",
}

core.register_action("forward-auth", { "http-req" }, function(txn, url)
    local client = txn.http:req_get_headers()
    local headers = {
        ["x-forwarded-for"] = { txn.sf:src() },
        ["x-original-uri"] = { txn.sf:pathq() },
        ["x-original-method"] = { txn.sf:method() },
    }
    for _, name in ipairs(asked) do
        if client[name] then
            headers[name] = {}
            for _, value in pairs(client[name]) do
                table.insert(headers[name], value)
            end
        end
    end
    -- The gateway answers within 200 ms. HAProxy tries four times.
    local answer = core.httpclient():get { url = url, headers = headers, timeout = 250 }
    if not answer or not answer.status or answer.status == 0 then
        return
    end
    txn:set_var("txn.auth_status", tostring(answer.status))
    for name, variable in pairs(told) do
        local values = answer.headers and answer.headers[name]
        txn:set_var(variable, values and values[0] or "")
    end
end, 1)
