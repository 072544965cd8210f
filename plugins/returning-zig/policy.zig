//! Only returning visitors keep their name. The cases are in cases.json.

const std = @import("std");
const contract = @import("contract.zig");
const guest = @import("guest.zig");
const Text = guest.Text;

const Config = struct { closed_realms: []const []const u8 = &.{} };

/// The errors; none if the configuration is fine.
pub fn checkConfig(config: []const u8) []const []const u8 {
    _ = readConfig(config) catch |fault| return guest.allocator.dupe([]const u8, &.{describe(fault)}) catch @trap();
    return &.{};
}

/// Names each request header that `decide` looks at: the gateway then does not run the policy without it.
pub fn needs(config: []const u8) guest.Needs {
    _ = config;
    return .{};
}

pub fn decide(config: []const u8, request: *const contract.JoinRequest) contract.Answer {
    const settings = readConfig(config) catch |fault| return .{ .fault = describe(fault) };
    return .{ .decision = decideWith(settings, request) };
}

fn decideWith(config: Config, request: *const contract.JoinRequest) contract.Decision {
    const cookie = request.cookie.get();
    const hello = request.hello.get();
    const methods = request.methods.slice();
    const offered = if (hello) |said| said.authmethods.slice() else &.{};

    if (hello) |said| if (said.realm.get()) |realm| {
        for (config.closed_realms) |closed| if (std.mem.eql(u8, closed, realm.slice()))
            return .{ .deny = .{ .reason = "wamp.error.no_such_realm", .message = "this realm is closed" } };
    };
    for (offered) |offer| {
        const method = offer.slice();
        if (std.mem.eql(u8, method, "anonymous") or !contains(methods, method)) continue;
        // `cookie` can vouch only for a client that has logged in with this cookie before.
        const logged_in = if (cookie) |record| record.authentication.is_some else false;
        if (std.mem.eql(u8, method, "cookie") and !logged_in) continue;
        return .{ .@"defer" = method };
    }
    if (!includesAnonymous(methods) or !includesAnonymous(offered))
        return .{ .deny = .{
            .reason = "wamp.error.no_auth_method",
            .message = "offer a configured authentication method",
        } };

    const record = cookie orelse return .none;
    if (record.is_new) return .none;
    return .{ .anonymous = .{ .authid = .some(record.public_id) } };
}

fn contains(list: []const Text, wanted: []const u8) bool {
    for (list) |item| if (std.mem.eql(u8, item.slice(), wanted)) return true;
    return false;
}

/// An empty list means "anonymous": on the configuration's side as on the client's.
fn includesAnonymous(list: []const Text) bool {
    return list.len == 0 or contains(list, "anonymous");
}

// === the configuration: {"closed_realms": ["..."]} ===

const Fault = error{ NotAnObject, UnknownKey, NotAList };

fn describe(fault: Fault) []const u8 {
    return switch (fault) {
        error.NotAnObject => "use a JSON object",
        error.UnknownKey => "unknown key: this policy knows only \"closed_realms\"",
        error.NotAList => "closed_realms: use a list of realms, such as [\"staff\"]",
    };
}

/// What it allocates is dropped with everything else at the end of the call.
fn readConfig(config: []const u8) Fault!Config {
    const json = std.json.parseFromSliceLeaky(std.json.Value, guest.allocator, config, .{}) catch
        return error.NotAnObject;
    if (json != .object) return error.NotAnObject;
    for (json.object.keys()) |key| if (!std.mem.eql(u8, key, "closed_realms")) return error.UnknownKey;
    const realms = json.object.get("closed_realms") orelse return .{};
    if (realms != .array) return error.NotAList;
    const names = guest.allocator.alloc([]const u8, realms.array.items.len) catch @trap();
    for (names, realms.array.items) |*name, realm| {
        if (realm != .string) return error.NotAList;
        name.* = realm.string;
    }
    return .{ .closed_realms = names };
}
