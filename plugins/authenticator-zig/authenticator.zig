//! Clients whose name and ticket stand in the configuration are members. The cases are in cases.json.

const std = @import("std");
const contract = @import("contract.zig");
const guest = @import("guest.zig");
const Text = guest.Text;

/// The role of all members: the realm must have it.
const role = "member";
/// The shortest ticket, in bytes: none that is shorter stands against guesses.
const shortest = 16;

/// The errors; none if the configuration is fine.
pub fn checkConfig(config: []const u8) []const []const u8 {
    _ = readConfig(config) catch |fault| return guest.allocator.dupe([]const u8, &.{describe(fault)}) catch @trap();
    return &.{};
}

/// Names each request header that `authenticate` looks at: the gateway then does not run the authenticator without it.
pub fn needs(config: []const u8) guest.Needs {
    _ = config;
    return .{};
}

pub fn authenticate(config: []const u8, request: *const contract.AuthenticationRequest) contract.Answer {
    const tickets = readConfig(config) catch |fault| return .{ .fault = describe(fault) };
    const method = request.method.slice();
    const is_wampcra = std.mem.eql(u8, method, "wampcra");
    if (!is_wampcra and !std.mem.eql(u8, method, "ticket"))
        return .{ .fault = "it knows principals of `ticket` and `wampcra`, and of no other method" };
    return .{ .verdict = verdict(tickets, request, is_wampcra) };
}

fn verdict(tickets: ?std.json.ObjectMap, request: *const contract.AuthenticationRequest, is_wampcra: bool) contract.Verdict {
    const ticket = find(tickets, request.authid.get());
    switch (request.credential.shown()) {
        .none => if (is_wampcra) {
            if (ticket) |secret| return .{ .secret = known(secret) };
            // The challenge must not tell which names have a ticket. Nothing opens a session with this one.
            return .{ .unknown = known("unknown") };
        },
        .ticket => |shown| if (ticket) |right| if (isSame(shown, right)) return .{ .accept = member() },
        .remembered => if (ticket != null) return .{ .accept = member() },
        .public_key => {},
    }
    return .{ .unknown = null };
}

fn find(tickets: ?std.json.ObjectMap, authid: ?*const Text) ?[]const u8 {
    const all = tickets orelse return null;
    const name = authid orelse return null;
    const ticket = all.get(name.slice()) orelse return null;
    return ticket.string;
}

/// A member joins under the name that it claims.
fn member() contract.Principal {
    return .{ .authrole = Text.of(role) };
}

fn known(ticket: []const u8) contract.Known {
    return .{ .principal = member(), .secret = .{ .wampcra = .{ .key = Text.of(ticket) } } };
}

/// Whether two texts are the same, in a time that does not tell how much of them is.
fn isSame(one: []const u8, other: []const u8) bool {
    if (one.len != other.len) return false;
    var differences: u8 = 0;
    for (one, other) |a, b| differences |= a ^ b;
    std.mem.doNotOptimizeAway(&differences);
    return differences == 0;
}

// === the configuration: {"tickets": {"name": "ticket"}} ===

const Fault = error{ NotAnObject, UnknownKey, NotTickets };

fn describe(fault: Fault) []const u8 {
    return switch (fault) {
        error.NotAnObject => "use a JSON object",
        error.UnknownKey => "unknown key: this authenticator knows only \"tickets\"",
        error.NotTickets => "tickets: use an object of names, each with a ticket of 16 characters or more, such as {\"ann\": \"q7ZrT2m9wXcK4vLb\"}",
    };
}

/// The tickets by name, each of them a text. What it allocates is dropped with everything else at the end of the call.
fn readConfig(config: []const u8) Fault!?std.json.ObjectMap {
    const json = std.json.parseFromSliceLeaky(std.json.Value, guest.allocator, config, .{}) catch
        return error.NotAnObject;
    if (json != .object) return error.NotAnObject;
    for (json.object.keys()) |key| if (!std.mem.eql(u8, key, "tickets")) return error.UnknownKey;
    const tickets = json.object.get("tickets") orelse return null;
    if (tickets != .object) return error.NotTickets;
    for (tickets.object.values()) |ticket| {
        if (ticket != .string or ticket.string.len < shortest) return error.NotTickets;
    }
    return tickets.object;
}
