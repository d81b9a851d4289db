variable "name" {
  description = "Name of the installation."
  type        = string
}

variable "vpc_id" {
  description = "Where it stands."
  type        = string
}

variable "public_subnet_ids" {
  description = "For the load balancers."
  type        = list(string)
}

variable "private_subnet_ids" {
  description = "For the programs."
  type        = list(string)
}

variable "vpc_cidr" {
  description = "Addresses of the VPC: the load balancers pass connections on from there."
  type        = string
}

variable "image" {
  description = "The image of eclusa-control, by digest."
  type        = string
  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name the image by its digest: registry/eclusa-control@sha256:…"
  }
}

variable "replicas" {
  description = "How many control planes; all of them work."
  type        = number
  default     = 2
  validation {
    condition     = var.replicas >= 2
    error_message = "Two at least: one may be replaced while the other answers."
  }
}

variable "cpu" {
  description = "Processor units of a task; 1024 are one."
  type        = number
  default     = 1024
}

variable "memory_mib" {
  description = "Memory of a task."
  type        = number
  default     = 2048
}

variable "public_url" {
  description = "How people reach the admin API and the console."
  type        = string
}

variable "node_url" {
  description = "How nodes reach the control plane: a name that points to the load balancer for nodes, with port 7071."
  type        = string
}

variable "certificate_arn" {
  description = "ACM certificate for the host of public_url."
  type        = string
}

variable "admin_cidrs" {
  description = "Who may reach the admin API."
  type        = list(string)
}

variable "node_cidrs" {
  description = "From where nodes connect, with their certificates."
  type        = list(string)
}

variable "key_arn" {
  description = "KMS key of secrets and logs."
  type        = string
}

variable "secret_arns" {
  description = "Secrets by name, from the module secrets."
  type        = map(string)
}

variable "access_log_bucket" {
  description = "Bucket for the load balancers' access logs."
  type        = string
}

variable "log_days" {
  description = "How long logs are kept."
  type        = number
  default     = 365
}

variable "settings" {
  description = "More settings of eclusa-control, by variable (docs/settings.md)."
  type        = map(string)
  default     = {}
}
