output "security_group_id" {
  description = "The control planes' group, for the database."
  value       = aws_security_group.control.id
}

output "admin_name" {
  description = "Where the host of public_url must point."
  value       = aws_lb.admin.dns_name
}

output "node_name" {
  description = "Where the host of node_url must point."
  value       = aws_lb.nodes.dns_name
}
