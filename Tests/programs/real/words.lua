-- SPDX-License-Identifier: Apache-2.0
local count = {}
for i = 1, 50000 do local k = i * 7919 % 211; count[k] = (count[k] or 0) + 1 end
local keys = {}
for k in pairs(count) do keys[#keys + 1] = k end
table.sort(keys)
print(#keys, keys[1], count[keys[1]])
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
print(fib(22))
local out = assert(io.open("lua.txt", "w"))
for i = 1, 1000 do out:write(i, "\n") end
out:close()
local sum = 0
for line in io.lines("lua.txt") do sum = sum + tonumber(line) end
print(sum, string.format("%5.2f|%s", math.pi, ("ab"):rep(3)))
print(pcall(error, "an error"))
local p = io.popen("echo from a shell")
print(p:read("a"))
p:close()
print(select("#", os.remove("lua.txt")), collectgarbage("count") > 0)
os.exit(3)
