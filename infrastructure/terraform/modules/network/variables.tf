variable "name" {
  description = "Name of the installation; part of every resource's name."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "Two to 21 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "cidr" {
  description = "Addresses of the VPC; a /16. Those of two regions must not overlap if they are peered."
  type        = string
  validation {
    condition     = can(cidrnetmask(var.cidr)) && endswith(var.cidr, "/16")
    error_message = "An IPv4 block ending in /16, as in 10.20.0.0/16."
  }
}

variable "zones" {
  description = "Availability zones, two at least."
  type        = list(string)
  validation {
    condition     = length(var.zones) >= 2
    error_message = "Two zones at least: Postgres and the load balancers need them."
  }
}

variable "log_key_arn" {
  description = "KMS key that encrypts the flow logs."
  type        = string
}
