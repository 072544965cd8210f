//! The contract of `wit/policy.wit` for an authenticator in Zig, and its exports.

const std = @import("std");
const authenticator = @import("authenticator.zig");
const guest = @import("guest.zig");
const List = guest.List;
const Option = guest.Option;
const Text = guest.Text;

/// What a client has shown of itself.
pub const Shown = union(enum) { none, ticket: []const u8, public_key: []const u8, remembered };

pub const Credential = extern struct {
    kind: u8,
    text: Text,

    pub fn shown(credential: *const Credential) Shown {
        return switch (credential.kind) {
            0 => .none,
            1 => .{ .ticket = credential.text.slice() },
            2 => .{ .public_key = credential.text.slice() },
            else => .remembered,
        };
    }
};

pub const AuthenticationRequest = extern struct {
    method: Text,
    realm: Text,
    authid: Option(Text),
    credential: Credential,
    authextra: Text,
    connection: guest.Connection,
    cookie: Option(guest.CookieRecord),
    certificate: Option(guest.Certificate),
    roles: List(Text),
    now: u64,
};

pub const Principal = extern struct {
    authid: Option(Text) = .{},
    authrole: Text,
    realm: Option(Text) = .{},
    authextra: Option(Text) = .{},
};

pub const Salting = extern struct { salt: Text, iterations: u32, keylen: u32 };
pub const SharedKey = extern struct { key: Text, salting: Option(Salting) = .{} };
pub const Argon2id = extern struct { iterations: u32, memory: u32 };

/// How a client of SCRAM derives its keys.
pub const Derivation = union(enum) { pbkdf2: u32, argon2id13: Argon2id };
pub const ScramCredential = struct { kdf: Derivation, salt: []const u8, stored_key: []const u8, server_key: []const u8 };

/// What the gateway verifies a client's answer against.
pub const Secret = union(enum) { wampcra: SharedKey, scram: ScramCredential, cryptosign: []const Text };

pub const Known = struct { principal: Principal, secret: Secret };

/// What an authenticator may answer.
pub const Verdict = union(enum) {
    accept: Principal,
    secret: Known,
    /// Whose challenge the one of an unknown principal looks like, if it is any.
    unknown: ?Known,
    deny: guest.Denial,
};

/// A verdict, or why there is none: a text for the operator.
pub const Answer = union(enum) { verdict: Verdict, fault: []const u8 };

// === what stands between the canonical ABI and the authenticator ===

const RawDerivation = extern struct { kind: u8, payload: extern union { pbkdf2: u32, argon2id13: Argon2id } };
const RawScram = extern struct { kdf: RawDerivation, salt: Text, stored_key: Text, server_key: Text };
const RawSecret = extern struct {
    kind: u8,
    payload: extern union { wampcra: SharedKey, scram: RawScram, cryptosign: List(Text) },
};
const RawKnown = extern struct { principal: Principal, secret: RawSecret };
const RawVerdict = extern struct {
    kind: u8,
    payload: extern union { accept: Principal, secret: RawKnown, unknown: Option(RawKnown), deny: guest.RawDenial },
};
/// The arguments are more than 16 values when taken one by one, and so come as one record.
const Arguments = extern struct { config: Text, request: AuthenticationRequest };

var answered: guest.Result(RawVerdict, Text) = undefined;

fn authenticate(arguments: *const Arguments) callconv(.c) *const anyopaque {
    answered = switch (authenticator.authenticate(arguments.config.slice(), &arguments.request)) {
        .fault => |text| .{ .is_error = true, .payload = .{ .@"error" = Text.of(text) } },
        .verdict => |verdict| .{ .is_error = false, .payload = .{ .ok = switch (verdict) {
            .accept => |principal| .{ .kind = 0, .payload = .{ .accept = principal } },
            .secret => |known| .{ .kind = 1, .payload = .{ .secret = raw(known) } },
            .unknown => |like| .{ .kind = 2, .payload = .{
                .unknown = if (like) |known| .some(raw(known)) else .{},
            } },
            .deny => |denial| .{ .kind = 3, .payload = .{
                .deny = .{ .reason = Text.of(denial.reason), .message = Text.of(denial.message) },
            } },
        } } },
    };
    return &answered;
}

fn raw(known: Known) RawKnown {
    return .{ .principal = known.principal, .secret = switch (known.secret) {
        .wampcra => |key| .{ .kind = 0, .payload = .{ .wampcra = key } },
        .scram => |scram| .{ .kind = 1, .payload = .{ .scram = .{
            .kdf = switch (scram.kdf) {
                .pbkdf2 => |iterations| .{ .kind = 0, .payload = .{ .pbkdf2 = iterations } },
                .argon2id13 => |costs| .{ .kind = 1, .payload = .{ .argon2id13 = costs } },
            },
            .salt = Text.of(scram.salt),
            .stored_key = Text.of(scram.stored_key),
            .server_key = Text.of(scram.server_key),
        } } },
        .cryptosign => |keys| .{ .kind = 2, .payload = .{ .cryptosign = List(Text).of(keys) } },
    } };
}

comptime {
    guest.exportAs("wampgate:authid/authentication@0.3.0", authenticator, "authenticate", authenticate);
    // Beside what the canonical ABI says.
    std.debug.assert(@sizeOf(AuthenticationRequest) == 272 and @sizeOf(RawKnown) == 84 and @sizeOf(@TypeOf(answered)) == 96);
}
