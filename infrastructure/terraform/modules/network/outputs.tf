output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Its addresses."
  value       = aws_vpc.this.cidr_block
}

output "public_subnet_ids" {
  description = "Where load balancers stand."
  value       = aws_subnet.public[*].id
}

output "private_subnet_ids" {
  description = "Where the programs run; out through NAT."
  value       = aws_subnet.private[*].id
}

output "isolated_subnet_ids" {
  description = "Where the database is; no way out."
  value       = aws_subnet.isolated[*].id
}

output "nat_addresses" {
  description = "Addresses providers see, for their allow-lists."
  value       = aws_eip.nat[*].public_ip
}
