output "names" {
  description = "Where control., control-nodes. and gateway. of your domain must point."
  value = {
    control       = module.control.admin_name
    control-nodes = module.control.node_name
    gateway = {
      "eu-central-1" = module.gateway_eu.name
    }
  }
}

output "database_address" {
  description = "For the secret database-url."
  value       = module.database.address
}

output "database_password_secret_arn" {
  description = "Where the database's password is."
  value       = module.database.password_secret_arn
}

output "secret_arns" {
  description = "Secrets whose values you put in."
  value       = module.secrets.secret_arns
}

output "provider_allow_list" {
  description = "Addresses providers see."
  value       = local.node_cidrs
}
