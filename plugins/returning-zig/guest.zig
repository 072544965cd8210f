//! What components of every kind have in Zig: lists and options, the log, memory, and what the gateway knows of a client.
//!
//! The canonical ABI lays out records, variants and lists in a 32-bit memory as C does, and as Zig does with `extern`: these
//! types are all the binding there is. What a component gets and what it answers lives until the end of the call.

const std = @import("std");
const Allocator = std.mem.Allocator;
const Alignment = std.mem.Alignment;

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

pub const Certificate = extern struct {
    subject: Text,
    names: List(Text),
    sha256: Text,
};

pub const RawDenial = extern struct { reason: Text, message: Text };
/// A refusal in the component's own words.
pub const Denial = struct { reason: []const u8, message: []const u8 };

/// The request headers that a component looks at, in lower case, and grants beyond those that its imports show.
pub const Needs = struct { headers: []const []const u8 = &.{}, grants: []const []const u8 = &.{} };

pub const Level = enum(u32) { debug, info, warn, @"error" };

extern "wampgate:authid/log@0.3.0" fn @"log"(level: u32, at: [*]const u8, length: u32) void;

/// A line for the gateway's log.
pub fn logLine(level: Level, message: []const u8) void {
    @"log"(@intFromEnum(level), message.ptr, message.len);
}

/// Memory until the end of the call.
pub const allocator: Allocator = .{ .ptr = undefined, .vtable = &.{ .alloc = alloc, .resize = resize, .remap = remap, .free = free } };

// === what stands between the canonical ABI and a component ===

// Each call runs in a fresh instance, and fetching memory from the gateway costs more than the rest of a small call. So what is
// taken first lies with stack and statics in the first page of 64 KiB, and only what does not fit comes from behind it.
var room: [16 * 1024]u8 = undefined;
var near = std.heap.FixedBufferAllocator.init(&room);
var far = std.heap.ArenaAllocator.init(std.heap.wasm_allocator);

fn alloc(_: *anyopaque, bytes: usize, alignment: Alignment, caller: usize) ?[*]u8 {
    return near.allocator().rawAlloc(bytes, alignment, caller) orelse far.allocator().rawAlloc(bytes, alignment, caller);
}

fn of(piece: []u8) Allocator {
    return if (near.ownsSlice(piece)) near.allocator() else far.allocator();
}

fn resize(_: *anyopaque, piece: []u8, alignment: Alignment, bytes: usize, caller: usize) bool {
    return of(piece).rawResize(piece, alignment, bytes, caller);
}

fn remap(_: *anyopaque, piece: []u8, alignment: Alignment, bytes: usize, caller: usize) ?[*]u8 {
    return of(piece).rawRemap(piece, alignment, bytes, caller);
}

fn free(_: *anyopaque, piece: []u8, alignment: Alignment, caller: usize) void {
    of(piece).rawFree(piece, alignment, caller);
}

export fn cabi_realloc(old: [*]const u8, old_bytes: u32, alignment: u32, bytes: u32) ?[*]u8 {
    if (bytes == 0) return @ptrFromInt(alignment); // which an arena must not be asked for
    const piece = allocator.rawAlloc(bytes, std.mem.Alignment.fromByteUnits(alignment), 0) orelse @trap();
    const kept = @min(old_bytes, bytes);
    if (kept > 0) @memcpy(piece[0..kept], old[0..kept]);
    return piece;
}

pub fn Result(Ok: type, Error: type) type {
    return extern struct {
        is_error: bool,
        payload: extern union { ok: Ok, @"error": Error },
    };
}

/// The canonical ABI wants an address within the memory even for an empty list, which Zig's allocators do not give.
fn textsOf(list: []const []const u8) List(Text) {
    if (list.len == 0) return .{ .at = &nothing };
    const texts = allocator.alloc(Text, list.len) catch @trap();
    for (texts, list) |*place, text| place.* = Text.of(text);
    return List(Text).of(texts);
}

const nothing = [1]Text{.{ .at = "", .length = 0 }};

fn forget(_: *const anyopaque) callconv(.c) void {
    near.reset();
    _ = far.reset(.retain_capacity);
}

/// Exports what a component defines, under the names of the interface of its kind: `checkConfig` and `needs`, and with `answer` the
/// function that has this name in the contract.
pub fn exportAs(comptime interface: []const u8, comptime component: type, comptime name: []const u8, comptime answer: anytype) void {
    const functions = struct {
        var checked: Result(u32, List(Text)) = undefined;
        var needed: extern struct { headers: List(Text), grants: List(Text) } = undefined;

        fn checkConfig(at: [*]const u8, length: u32) callconv(.c) *const anyopaque {
            const errors: []const []const u8 = component.checkConfig(at[0..length]);
            checked = .{ .is_error = errors.len > 0, .payload = .{ .@"error" = textsOf(errors) } };
            return &checked;
        }

        fn needs(at: [*]const u8, length: u32) callconv(.c) *const anyopaque {
            const what: Needs = component.needs(at[0..length]);
            needed = .{ .headers = textsOf(what.headers), .grants = textsOf(what.grants) };
            return &needed;
        }
    };
    @export(&functions.checkConfig, .{ .name = interface ++ "#check-config" });
    @export(&functions.needs, .{ .name = interface ++ "#needs" });
    @export(&answer, .{ .name = interface ++ "#" ++ name });
    for (.{ "check-config", "needs", name }) |function| {
        @export(&forget, .{ .name = "cabi_post_" ++ interface ++ "#" ++ function });
    }
}

comptime {
    // Beside what the canonical ABI says.
    std.debug.assert(@sizeOf(Connection) == 64 and @sizeOf(CookieRecord) == 104);
}
