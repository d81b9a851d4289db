# The secrets the programs read. Their values are put in by hand, once: none is ever in a Terraform state (docs/operating/aws.md).

# `master-key` seals every credential in the database; `database-url` holds the password; `enrollment-token` may make join tokens
# and nothing else.
resource "aws_secretsmanager_secret" "this" {
  for_each                = toset(["master-key", "database-url", "enrollment-token"])
  name                    = "${var.name}/${each.key}"
  kms_key_id              = var.key_arn
  recovery_window_in_days = 30

  dynamic "replica" {
    for_each = each.key == "enrollment-token" ? var.replica_keys : {}
    content {
      region     = replica.key
      kms_key_id = replica.value
    }
  }
}
