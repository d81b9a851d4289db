variable "name" {
  description = "Name of the installation."
  type        = string
}

variable "vpc_id" {
  description = "Where it stands."
  type        = string
}

variable "subnet_ids" {
  description = "Isolated subnets in two zones at least."
  type        = list(string)
}

variable "client_security_group_ids" {
  description = "Who may connect: the control planes, and nobody else."
  type        = list(string)
}

variable "key_arn" {
  description = "KMS key of storage, snapshots, logs and insights."
  type        = string
}

variable "instance_class" {
  description = "Size of the instance; docs/operating/capacity.md says which for how many keys and calls."
  type        = string
  default     = "db.m7g.large"
}

variable "storage_gib" {
  description = "Storage at first."
  type        = number
  default     = 100
}

variable "maximum_storage_gib" {
  description = "What storage may grow to by itself."
  type        = number
  default     = 1000
}

variable "backup_days" {
  description = "For how many days any second can be restored; beside the program's own encrypted backups."
  type        = number
  default     = 14
  validation {
    condition     = var.backup_days >= 7 && var.backup_days <= 35
    error_message = "7 to 35 days."
  }
}
