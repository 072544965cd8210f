//! All sessions read what is open, and each one speaks there under its own name. The cases are in cases.json.
//!
//! A prefix ends in a dot and has no empty component. So a pattern that begins with it, be it `prefix` or `wildcard`, covers
//! nothing that does not.

const std = @import("std");
const contract = @import("contract.zig");
const guest = @import("guest.zig");

/// How long the gateway may keep an answer, in seconds. Neither the configuration nor a session's authid changes meanwhile.
const kept = 3600;

/// The errors; none if the configuration is fine.
pub fn checkConfig(config: []const u8) []const []const u8 {
    _ = readConfig(config) catch |fault| return guest.allocator.dupe([]const u8, &.{describe(fault)}) catch @trap();
    return &.{};
}

/// An authorizer is shown no request headers.
pub fn needs(config: []const u8) guest.Needs {
    _ = config;
    return .{};
}

pub fn authorize(config: []const u8, request: *const contract.AuthorizationRequest) contract.Answer {
    const open = readConfig(config) catch |fault| return .{ .fault = describe(fault) };
    const name = request.session.authid.slice();
    var is_open = false;
    var is_own = false;
    for (open) |prefix| {
        if (!std.mem.startsWith(u8, request.uri.slice(), prefix)) continue;
        is_open = true;
        if (beginsWithName(request.uri.slice()[prefix.len..], name)) is_own = true;
    }
    return .{ .ruling = switch (request.action) {
        // The answer is the same for every session of the role.
        .call, .subscribe => .{ .allow = is_open, .keep = .some(.{ .seconds = kept, .scope = .role }) },
        .register, .publish => .{
            .allow = is_own,
            .disclose = is_own,
            .keep = .some(.{ .seconds = kept, .scope = .session }),
        },
    } };
}

/// Whether the first component is this name. One with a dot could be two names, and an empty component of a wildcard stands for any.
fn beginsWithName(rest: []const u8, name: []const u8) bool {
    return name.len > 0 and std.mem.indexOfScalar(u8, name, '.') == null and std.mem.startsWith(u8, rest, name) and
        rest.len > name.len and rest[name.len] == '.';
}

// === the configuration: {"open": ["..."]} ===

const Fault = error{ NotAnObject, UnknownKey, NotPrefixes };

fn describe(fault: Fault) []const u8 {
    return switch (fault) {
        error.NotAnObject => "use a JSON object",
        error.UnknownKey => "unknown key: this authorizer knows only \"open\"",
        error.NotPrefixes => "open: use a list of prefixes that end in a dot and have no empty part, such as [\"com.example.chat.\"]",
    };
}

/// What it allocates is dropped with everything else at the end of the call.
fn readConfig(config: []const u8) Fault![]const []const u8 {
    const json = std.json.parseFromSliceLeaky(std.json.Value, guest.allocator, config, .{}) catch
        return error.NotAnObject;
    if (json != .object) return error.NotAnObject;
    for (json.object.keys()) |key| if (!std.mem.eql(u8, key, "open")) return error.UnknownKey;
    const open = json.object.get("open") orelse return &.{};
    if (open != .array) return error.NotPrefixes;
    const prefixes = guest.allocator.alloc([]const u8, open.array.items.len) catch @trap();
    for (prefixes, open.array.items) |*prefix, item| {
        if (item != .string or !isPrefix(item.string)) return error.NotPrefixes;
        prefix.* = item.string;
    }
    return prefixes;
}

/// Whether a text is components, each with a dot behind it.
fn isPrefix(text: []const u8) bool {
    var at_start = true;
    for (text) |sign| {
        if (sign == '.' and at_start) return false;
        at_start = sign == '.';
    }
    return at_start and text.len > 0;
}
