output "name" {
  description = "Where the host applications call must point, in this region."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Zone of that name, for an alias or a latency record."
  value       = aws_lb.this.zone_id
}
