-- The load: one AdmissionReview after the other, as the API server sends them, each with a uid of its own.
-- Arguments: the file of the review (JSON in one line), the path to post to.

local head, tail
local count = 0

function init(args)
   local file = assert(io.open(args[1], "rb"))
   local body = file:read("*a")
   file:close()
   local headers = {["Content-Type"] = "application/json", ["Accept"] = "application/json, */*",
                    ["Accept-Encoding"] = "gzip", ["User-Agent"] = "kube-apiserver-admission"}
   local request = wrk.format("POST", args[2], headers, body)
   -- The uid is the only thing that changes, and its length stays: the request is built once and cut there.
   local from, to = request:find('"uid":"', 1, true)
   head, tail = request:sub(1, to), request:sub(to + 37)
end

function request()
   count = count + 1
   return head .. string.format("%08x-6393-41e8-b7cc-42010a800002", count) .. tail
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "microseconds": %d, "not_2xx": %d, "broken": %d, "p50": %d, "p99": %d}\n',
      summary.requests, summary.duration, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50), latency:percentile(99)))
end
