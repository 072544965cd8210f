//! The contract of `wit/policy.wit` for an authorizer in Zig, and its exports.

const std = @import("std");
const authorizer = @import("authorizer.zig");
const guest = @import("guest.zig");
const Option = guest.Option;
const Text = guest.Text;

pub const Action = enum(u8) { call, register, publish, subscribe };
pub const Matching = enum(u8) { exact, prefix, wildcard };

pub const Session = extern struct {
    id: Text,
    realm: Text,
    authid: Text,
    authrole: Text,
    authmethod: Text,
    authprovider: Text,
    public_id: Option(Text),
    connection: Text,
    peer: Text,
};

pub const AuthorizationRequest = extern struct {
    session: Session,
    action: Action,
    uri: Text,
    matching: Matching,
    /// A JSON object.
    options: Text,
    now: u64,
};

pub const Scope = enum(u8) { session, role };
pub const Keeping = extern struct { seconds: u32, scope: Scope };

/// What an authorizer answers.
pub const Ruling = extern struct { allow: bool, disclose: bool = false, keep: Option(Keeping) = .{} };

/// A ruling, or why there is none: a text for the operator.
pub const Answer = union(enum) { ruling: Ruling, fault: []const u8 };

// === what stands between the canonical ABI and the authorizer ===

/// The arguments are more than 16 values when taken one by one, and so come as one record.
const Arguments = extern struct { config: Text, request: AuthorizationRequest };

var answered: guest.Result(Ruling, Text) = undefined;

fn authorize(arguments: *const Arguments) callconv(.c) *const anyopaque {
    answered = switch (authorizer.authorize(arguments.config.slice(), &arguments.request)) {
        .fault => |text| .{ .is_error = true, .payload = .{ .@"error" = Text.of(text) } },
        .ruling => |ruling| .{ .is_error = false, .payload = .{ .ok = ruling } },
    };
    return &answered;
}

comptime {
    guest.exportAs("wampgate:authid/authorization@0.3.0", authorizer, "authorize", authorize);
    // Beside what the canonical ABI says.
    std.debug.assert(@sizeOf(AuthorizationRequest) == 112 and @sizeOf(@TypeOf(answered)) == 20);
}
