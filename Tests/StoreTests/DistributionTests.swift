import PostgresDriver
import Testing

@testable import Store

/// The rules of engines that distribute Postgres by a column: the schema meets them, so that it can grow past
/// one server without being written anew (docs/operating/scale-out.md).
@Suite("distribution by tenant")
struct DistributionTests {
    /// Unique things without the tenant, each with why it may stay: a distributed engine cannot keep them
    /// over all its servers.
    private static let uniqueBeyondTenants: Set<String> = [
        // Looked up before the tenant is known, and random: two equal ones do not happen.
        "email_tokens", "identity_providers", "invitations", "keys", "management_tokens",
    ]

    @Test("what is unique in a tenant's table is so inside the tenant, or random")
    func unique() async throws {
        let found = try await texts(
            """
            select relation.relname::text
              from pg_index
              join pg_class as relation on relation.oid = indrelid
             where relation.relnamespace = 'public'::regnamespace and indisunique and not relispartition
               and exists (select from pg_attribute where attrelid = indrelid and attname = 'tenant_id')
               and not exists (select
                                 from pg_attribute
                                where attrelid = indrelid and attname = 'tenant_id'
                                  and attnum = any(indkey))
             order by 1
            """)
        #expect(Set(found).subtracting(Self.uniqueBeyondTenants) == [])
    }

    @Test("a reference from one tenant's table to another goes through the tenant, as the same column")
    func references() async throws {
        let found = try await texts(
            """
            select conname || ' of ' || conrelid::regclass
              from pg_constraint
             where contype = 'f' and connamespace = 'public'::regnamespace and conparentid = 0
               and exists (select from pg_attribute where attrelid = conrelid and attname = 'tenant_id')
               and exists (select from pg_attribute where attrelid = confrelid and attname = 'tenant_id')
               and not exists (select
                                 from unnest(conkey, confkey) as pair (here, there)
                                 join pg_attribute as near on near.attrelid = conrelid and near.attnum = here
                                 join pg_attribute as far on far.attrelid = confrelid and far.attnum = there
                                where near.attname like '%tenant_id' and far.attname = 'tenant_id')
             order by 1
            """)
        #expect(found == [], "give the foreign key the tenant's column too")
    }

    @Test("what has no tenant refers to nothing of a tenant, so that it can be copied to every server")
    func platform() async throws {
        let found = try await texts(
            """
            select conname || ' of ' || conrelid::regclass
              from pg_constraint
             where contype = 'f' and connamespace = 'public'::regnamespace and conparentid = 0
               and not exists (select from pg_attribute where attrelid = conrelid and attname = 'tenant_id')
               and exists (select from pg_attribute where attrelid = confrelid and attname = 'tenant_id')
             order by 1
            """)
        #expect(found == [], "give the table the tenant's column, or leave the reference out")
    }

    @Test(
        "every tenant's table has a primary key that begins with the tenant, or is a log partitioned by time")
    func primaryKeys() async throws {
        let found = try await texts(
            """
            select relation.relname::text
              from pg_class as relation
              join pg_attribute as tenant on tenant.attrelid = relation.oid and tenant.attname = 'tenant_id'
              left join pg_index on indrelid = relation.oid and indisprimary
             where relation.relnamespace = 'public'::regnamespace and relation.relkind in ('r', 'p')
               and not relispartition and coalesce(indkey[0] <> tenant.attnum, true)
             order by 1
            """)
        #expect(Set(found).isSubset(of: Self.keyedOtherwise))
    }

    /// Tables whose key does not begin with the tenant, each with why.
    private static let keyedOtherwise: Set<String> = [
        // Partitioned by day, without a key at all: batches are taken in once, and nothing refers to a row.
        "usage_events"
    ]
}
