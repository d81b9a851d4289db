output "secret_arns" {
  description = "Secrets by name: master-key, database-url, enrollment-token."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
}
