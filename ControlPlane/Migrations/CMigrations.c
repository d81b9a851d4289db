// The SQL of the migrations, embedded, so that a program carries the schema it expects.
#include "CMigrations.h"

static const char m0001[] = {
#embed "0001_create_tenants.sql"
};
static const char m0002[] = {
#embed "0002_create_workspaces.sql"
};
static const char m0003[] = {
#embed "0003_create_users.sql"
};
static const char m0004[] = {
#embed "0004_create_members.sql"
};
static const char m0005[] = {
#embed "0005_create_bindings.sql"
};
static const char m0006[] = {
#embed "0006_create_sessions.sql"
};
static const char m0007[] = {
#embed "0007_create_platform_secrets.sql"
};
static const char m0008[] = {
#embed "0008_create_providers.sql"
};
static const char m0009[] = {
#embed "0009_create_models.sql"
};
static const char m0010[] = {
#embed "0010_create_prices.sql"
};
static const char m0011[] = {
#embed "0011_create_routes.sql"
};
static const char m0012[] = {
#embed "0012_create_keys.sql"
};
static const char m0013[] = {
#embed "0013_create_nodes.sql"
};
static const char m0014[] = {
#embed "0014_create_join_tokens.sql"
};
static const char m0015[] = {
#embed "0015_create_snapshots.sql"
};
static const char m0016[] = {
#embed "0016_stamp_changes.sql"
};
static const char m0017[] = {
#embed "0017_create_usage_batches.sql"
};
static const char m0018[] = {
#embed "0018_create_usage_events.sql"
};
static const char m0019[] = {
#embed "0019_create_usage_rollups.sql"
};
static const char m0020[] = {
#embed "0020_create_audit_events.sql"
};
static const char m0021[] = {
#embed "0021_create_idempotency_keys.sql"
};
static const char m0028[] = {
#embed "0028_isolate_tenants.sql"
};
static const char m0029[] = {
#embed "0029_create_groups.sql"
};
static const char m0030[] = {
#embed "0030_create_roles.sql"
};
static const char m0031[] = {
#embed "0031_create_service_accounts.sql"
};
static const char m0032[] = {
#embed "0032_widen_bindings.sql"
};
static const char m0033[] = {
#embed "0033_settle_tenants.sql"
};
static const char m0036[] = {
#embed "0036_create_mails.sql"
};
static const char m0037[] = {
#embed "0037_create_sign_in_failures.sql"
};
static const char m0038[] = {
#embed "0038_create_invitations.sql"
};
static const char m0039[] = {
#embed "0039_create_email_tokens.sql"
};
static const char m0040[] = {
#embed "0040_create_second_factors.sql"
};
static const char m0041[] = {
#embed "0041_create_identity_providers.sql"
};
static const char m0042[] = {
#embed "0042_isolate_providers.sql"
};
static const char m0043[] = {
#embed "0043_add_markup_to_tenants.sql"
};
static const char m0048[] = {
#embed "0048_create_limits.sql"
};
static const char m0049[] = {
#embed "0049_create_grants.sql"
};
static const char m0050[] = {
#embed "0050_create_limit_alerts.sql"
};
static const char m0054[] = {
#embed "0054_wake_on_trust_changes.sql"
};
static const char m0055[] = {
#embed "0055_create_rollouts.sql"
};
static const char m0060[] = {
#embed "0060_create_backups.sql"
};
static const char m0061[] = {
#embed "0061_create_scim.sql"
};
static const char m0065[] = {
#embed "0065_create_refusals.sql"
};
static const char m0066[] = {
#embed "0066_recover_usage.sql"
};
static const char m0070[] = {
#embed "0070_create_ledger.sql"
};
static const char m0071[] = {
#embed "0071_create_billing.sql"
};
static const char m0072[] = {
#embed "0072_create_reratings.sql"
};
static const char m0073[] = {
#embed "0073_create_reconciliations.sql"
};
static const char m0074[] = {
#embed "0074_prove_the_ledger.sql"
};
static const char m0075[] = {
#embed "0075_retain_usage.sql"
};
static const char m0080[] = {
#embed "0080_create_alerts.sql"
};
static const char m0081[] = {
#embed "0081_create_usage_outcomes.sql"
};
static const char m0082[] = {
#embed "0082_create_report_schedules.sql"
};
static const char m0087[] = {
#embed "0087_create_guardrails.sql"
};
static const char m0089[] = {
#embed "0089_add_cache_to_routes.sql"
};
static const char m0092[] = {
#embed "0092_add_hedge_percentile_to_routes.sql"
};
static const char m0095[] = {
#embed "0095_create_call_contents.sql"
};
static const char m0096[] = {
#embed "0096_attach_files_to_mails.sql"
};
static const char m0097[] = {
#embed "0097_find_failed_calls.sql"
};
static const char m0098[] = {
#embed "0098_issue_invoices.sql"
};
static const char m0099[] = {
#embed "0099_add_untranslated_fields_to_routes.sql"
};
static const char m0103[] = {
#embed "0103_find_keys_by_tag.sql"
};

static const struct migration all[] = {
    {"0001_create_tenants", m0001, sizeof m0001},
    {"0002_create_workspaces", m0002, sizeof m0002},
    {"0003_create_users", m0003, sizeof m0003},
    {"0004_create_members", m0004, sizeof m0004},
    {"0005_create_bindings", m0005, sizeof m0005},
    {"0006_create_sessions", m0006, sizeof m0006},
    {"0007_create_platform_secrets", m0007, sizeof m0007},
    {"0008_create_providers", m0008, sizeof m0008},
    {"0009_create_models", m0009, sizeof m0009},
    {"0010_create_prices", m0010, sizeof m0010},
    {"0011_create_routes", m0011, sizeof m0011},
    {"0012_create_keys", m0012, sizeof m0012},
    {"0013_create_nodes", m0013, sizeof m0013},
    {"0014_create_join_tokens", m0014, sizeof m0014},
    {"0015_create_snapshots", m0015, sizeof m0015},
    {"0016_stamp_changes", m0016, sizeof m0016},
    {"0017_create_usage_batches", m0017, sizeof m0017},
    {"0018_create_usage_events", m0018, sizeof m0018},
    {"0019_create_usage_rollups", m0019, sizeof m0019},
    {"0020_create_audit_events", m0020, sizeof m0020},
    {"0021_create_idempotency_keys", m0021, sizeof m0021},
    {"0028_isolate_tenants", m0028, sizeof m0028},
    {"0029_create_groups", m0029, sizeof m0029},
    {"0030_create_roles", m0030, sizeof m0030},
    {"0031_create_service_accounts", m0031, sizeof m0031},
    {"0032_widen_bindings", m0032, sizeof m0032},
    {"0033_settle_tenants", m0033, sizeof m0033},
    {"0036_create_mails", m0036, sizeof m0036},
    {"0037_create_sign_in_failures", m0037, sizeof m0037},
    {"0038_create_invitations", m0038, sizeof m0038},
    {"0039_create_email_tokens", m0039, sizeof m0039},
    {"0040_create_second_factors", m0040, sizeof m0040},
    {"0041_create_identity_providers", m0041, sizeof m0041},
    {"0042_isolate_providers", m0042, sizeof m0042},
    {"0043_add_markup_to_tenants", m0043, sizeof m0043},
    {"0048_create_limits", m0048, sizeof m0048},
    {"0049_create_grants", m0049, sizeof m0049},
    {"0050_create_limit_alerts", m0050, sizeof m0050},
    {"0054_wake_on_trust_changes", m0054, sizeof m0054},
    {"0055_create_rollouts", m0055, sizeof m0055},
    {"0060_create_backups", m0060, sizeof m0060},
    {"0061_create_scim", m0061, sizeof m0061},
    {"0065_create_refusals", m0065, sizeof m0065},
    {"0066_recover_usage", m0066, sizeof m0066},
    {"0070_create_ledger", m0070, sizeof m0070},
    {"0071_create_billing", m0071, sizeof m0071},
    {"0072_create_reratings", m0072, sizeof m0072},
    {"0073_create_reconciliations", m0073, sizeof m0073},
    {"0074_prove_the_ledger", m0074, sizeof m0074},
    {"0075_retain_usage", m0075, sizeof m0075},
    {"0080_create_alerts", m0080, sizeof m0080},
    {"0081_create_usage_outcomes", m0081, sizeof m0081},
    {"0082_create_report_schedules", m0082, sizeof m0082},
    {"0087_create_guardrails", m0087, sizeof m0087},
    {"0089_add_cache_to_routes", m0089, sizeof m0089},
    {"0092_add_hedge_percentile_to_routes", m0092, sizeof m0092},
    {"0095_create_call_contents", m0095, sizeof m0095},
    {"0096_attach_files_to_mails", m0096, sizeof m0096},
    {"0097_find_failed_calls", m0097, sizeof m0097},
    {"0098_issue_invoices", m0098, sizeof m0098},
    {"0099_add_untranslated_fields_to_routes", m0099, sizeof m0099},
    {"0103_find_keys_by_tag", m0103, sizeof m0103},
};

const struct migration *const migrations = all;
const size_t migration_count = sizeof all / sizeof *all;
