output "address" {
  description = "Host name of the database, for the secret database-url."
  value       = aws_db_instance.this.address
}

output "password_secret_arn" {
  description = "The secret Amazon keeps the password in."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}
