//! The contract of `wit/policy.wit` in Zig.
//!
//! The canonical ABI lays out records, variants and lists in a 32-bit memory as C does, and as Zig does with `extern`: these
//! types are all the binding there is. What a policy gets and what it answers lives until the end of the call.

const std = @import("std");
const policy = @import("policy.zig");

pub fn List(Item: type) type {
    return extern struct {
        at: [*]const Item = undefined,
        length: u32 = 0,

        pub fn of(items: []const Item) @This() {
            return .{ .at = items.ptr, .length = @intCast(items.len) };
        }
        /// An empty list may point anywhere.
        pub fn slice(list: @This()) []const Item {
            return if (list.length == 0) &.{} else list.at[0..list.length];
        }
    };
}

pub fn Option(Value: type) type {
    return extern struct {
        is_some: bool = false,
        value: Value = undefined,

        pub fn some(value: Value) @This() {
            return .{ .is_some = true, .value = value };
        }
        pub fn get(option: *const @This()) ?*const Value {
            return if (option.is_some) &option.value else null;
        }
    };
}

/// UTF-8.
pub const Text = List(u8);
pub const Header = extern struct { name: Text, value: Text };

pub const Authentication = extern struct {
    authid: Text,
    authrole: Text,
    authmethod: Text,
    authrealm: Text,
    authextra: Text,
    at: u64,
};

pub const CookieRecord = extern struct {
    id: Text,
    public_id: Text,
    is_new: bool,
    created: u64,
    last_seen: u64,
    max_age: u32,
    connections: u32,
    authentication: Option(Authentication),
};

pub const Connection = extern struct {
    id: Text,
    peer: Text,
    tls: bool,
    host: Text,
    path: Text,
    origin: Option(Text),
    subprotocol: Text,
    headers: List(Header),
};

pub const Hello = extern struct {
    realm: Option(Text),
    authmethods: List(Text),
    authid: Option(Text),
    authrole: Option(Text),
    authextra: Text,
};

pub const Certificate = extern struct {
    subject: Text,
    names: List(Text),
    sha256: Text,
};

pub const JoinRequest = extern struct {
    connection: Connection,
    cookie: Option(CookieRecord),
    hello: Option(Hello),
    methods: List(Text),
    roles: List(Text),
    now: u64,
    certificate: Option(Certificate),
};

pub const Identity = extern struct {
    authid: Option(Text) = .{},
    authrole: Option(Text) = .{},
    authextra: Option(Text) = .{},
};
pub const Denial = extern struct { reason: Text, message: Text };
pub const Deferral = extern struct { method: Text, authrole: Text };

/// The request headers that a policy looks at, in lower case, and grants beyond those that its imports show.
pub const Needs = struct { headers: []const []const u8 = &.{}, grants: []const []const u8 = &.{} };

/// What a policy may answer.
pub const Decision = union(enum) {
    anonymous: Identity,
    none,
    @"defer": []const u8,
    deny: struct { reason: []const u8, message: []const u8 },
    defer_as: struct { method: []const u8, authrole: []const u8 },
};

pub const Level = enum(u32) { debug, info, warn, @"error" };

extern "wampgate:authid/log@0.3.0" fn @"log"(level: u32, at: [*]const u8, length: u32) void;

/// A line for the gateway's log.
pub fn logLine(level: Level, message: []const u8) void {
    @"log"(@intFromEnum(level), message.ptr, message.len);
}

/// Memory until the end of the call.
pub const allocator = arena.allocator();

// === what stands between the canonical ABI and the policy ===

var arena = std.heap.ArenaAllocator.init(std.heap.wasm_allocator);

export fn cabi_realloc(old: [*]const u8, old_bytes: u32, alignment: u32, bytes: u32) ?[*]u8 {
    if (bytes == 0) return @ptrFromInt(alignment); // which an arena must not be asked for
    const piece = allocator.rawAlloc(bytes, std.mem.Alignment.fromByteUnits(alignment), 0) orelse @trap();
    const kept = @min(old_bytes, bytes);
    if (kept > 0) @memcpy(piece[0..kept], old[0..kept]);
    return piece;
}

fn Result(Ok: type, Error: type) type {
    return extern struct {
        is_error: bool,
        payload: extern union { ok: Ok, @"error": Error },
    };
}

const RawDecision = extern struct {
    kind: u8,
    payload: extern union { anonymous: Identity, @"defer": Text, deny: Denial, defer_as: Deferral },
};
/// The arguments are more than 16 values when taken one by one, and so come as one record.
const Arguments = extern struct { config: Text, request: JoinRequest };

comptime {
    // Beside what the canonical ABI says.
    std.debug.assert(@sizeOf(CookieRecord) == 104 and @sizeOf(JoinRequest) == 288);
    std.debug.assert(@sizeOf(Result(RawDecision, Text)) == 44);
}

const RawNeeds = extern struct { headers: List(Text), grants: List(Text) };

var checked: Result(u32, List(Text)) = undefined;
var needed: RawNeeds = undefined;
const nothing = [1]Text{.{ .at = "", .length = 0 }};
var decided: Result(RawDecision, Text) = undefined;

export fn @"wampgate:authid/policy@0.3.0#check-config"(at: [*]const u8, length: u32) *const anyopaque {
    const errors = policy.checkConfig(at[0..length]);
    checked = .{ .is_error = errors.len > 0, .payload = .{ .@"error" = textsOf(errors) } };
    return &checked;
}

export fn @"wampgate:authid/policy@0.3.0#needs"(at: [*]const u8, length: u32) *const anyopaque {
    const needs: Needs = policy.needs(at[0..length]);
    needed = .{ .headers = textsOf(needs.headers), .grants = textsOf(needs.grants) };
    return &needed;
}

/// The canonical ABI wants an address within the memory even for an empty list, which Zig's allocators do not give.
fn textsOf(list: []const []const u8) List(Text) {
    if (list.len == 0) return .{ .at = &nothing };
    const texts = allocator.alloc(Text, list.len) catch @trap();
    for (texts, list) |*place, text| place.* = Text.of(text);
    return List(Text).of(texts);
}

export fn @"wampgate:authid/policy@0.3.0#decide"(arguments: *const Arguments) *const anyopaque {
    decided.is_error = false;
    const answer = &decided.payload.ok;
    switch (policy.decide(arguments.config.slice(), &arguments.request)) {
        .fault => |text| decided = .{ .is_error = true, .payload = .{ .@"error" = Text.of(text) } },
        .decision => |decision| answer.* = switch (decision) {
            .anonymous => |identity| .{ .kind = 0, .payload = .{ .anonymous = identity } },
            .none => .{ .kind = 1, .payload = undefined },
            .@"defer" => |method| .{ .kind = 2, .payload = .{ .@"defer" = Text.of(method) } },
            .deny => |denial| .{ .kind = 3, .payload = .{
                .deny = .{ .reason = Text.of(denial.reason), .message = Text.of(denial.message) },
            } },
            .defer_as => |deferral| .{ .kind = 4, .payload = .{
                .defer_as = .{ .method = Text.of(deferral.method), .authrole = Text.of(deferral.authrole) },
            } },
        },
    }
    return &decided;
}

export fn @"cabi_post_wampgate:authid/policy@0.3.0#check-config"(_: *const anyopaque) void {
    _ = arena.reset(.retain_capacity);
}

export fn @"cabi_post_wampgate:authid/policy@0.3.0#needs"(_: *const anyopaque) void {
    _ = arena.reset(.retain_capacity);
}

export fn @"cabi_post_wampgate:authid/policy@0.3.0#decide"(_: *const anyopaque) void {
    _ = arena.reset(.retain_capacity);
}
