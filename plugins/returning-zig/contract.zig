//! The contract of `wit/policy.wit` for a policy in Zig, and its exports.

const std = @import("std");
const guest = @import("guest.zig");
const policy = @import("policy.zig");
const List = guest.List;
const Option = guest.Option;
const Text = guest.Text;

pub const Hello = extern struct {
    realm: Option(Text),
    authmethods: List(Text),
    authid: Option(Text),
    authrole: Option(Text),
    authextra: Text,
};

pub const JoinRequest = extern struct {
    connection: guest.Connection,
    cookie: Option(guest.CookieRecord),
    hello: Option(Hello),
    methods: List(Text),
    roles: List(Text),
    now: u64,
    certificate: Option(guest.Certificate),
};

pub const Identity = extern struct {
    authid: Option(Text) = .{},
    authrole: Option(Text) = .{},
    authextra: Option(Text) = .{},
};
/// What a policy may answer.
pub const Decision = union(enum) {
    anonymous: Identity,
    none,
    @"defer": []const u8,
    deny: guest.Denial,
    defer_as: struct { method: []const u8, authrole: []const u8 },
};

/// A decision, or why there is none: a text for the operator.
pub const Answer = union(enum) { decision: Decision, fault: []const u8 };

// === what stands between the canonical ABI and the policy ===

const RawDecision = extern struct {
    kind: u8,
    payload: extern union {
        anonymous: Identity,
        @"defer": Text,
        deny: guest.RawDenial,
        defer_as: extern struct { method: Text, authrole: Text },
    },
};
/// The arguments are more than 16 values when taken one by one, and so come as one record.
const Arguments = extern struct { config: Text, request: JoinRequest };

var decided: guest.Result(RawDecision, Text) = undefined;

fn decide(arguments: *const Arguments) callconv(.c) *const anyopaque {
    decided = switch (policy.decide(arguments.config.slice(), &arguments.request)) {
        .fault => |text| .{ .is_error = true, .payload = .{ .@"error" = Text.of(text) } },
        .decision => |decision| .{ .is_error = false, .payload = .{ .ok = switch (decision) {
            .anonymous => |identity| .{ .kind = 0, .payload = .{ .anonymous = identity } },
            .none => .{ .kind = 1, .payload = undefined },
            .@"defer" => |method| .{ .kind = 2, .payload = .{ .@"defer" = Text.of(method) } },
            .deny => |denial| .{ .kind = 3, .payload = .{
                .deny = .{ .reason = Text.of(denial.reason), .message = Text.of(denial.message) },
            } },
            .defer_as => |deferral| .{ .kind = 4, .payload = .{
                .defer_as = .{ .method = Text.of(deferral.method), .authrole = Text.of(deferral.authrole) },
            } },
        } } },
    };
    return &decided;
}

comptime {
    guest.exportAs("wampgate:authid/policy@0.3.0", policy, "decide", decide);
    // Beside what the canonical ABI says.
    std.debug.assert(@sizeOf(JoinRequest) == 288 and @sizeOf(@TypeOf(decided)) == 44);
}
