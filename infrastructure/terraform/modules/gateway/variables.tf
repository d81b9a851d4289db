variable "name" {
  description = "Name of the installation."
  type        = string
}

variable "region_name" {
  description = "The region nodes report: a slug such as eu-central-1."
  type        = string
}

variable "vpc_id" {
  description = "Where they stand."
  type        = string
}

variable "vpc_cidr" {
  description = "Addresses of the VPC: the load balancer passes calls on from there."
  type        = string
}

variable "public_subnet_ids" {
  description = "For the load balancer."
  type        = list(string)
}

variable "private_subnet_ids" {
  description = "For the nodes."
  type        = list(string)
}

variable "image_id" {
  description = "Machine image with the release's programs in /usr/bin, the units of infrastructure/systemd, and the AWS command line (docs/operating/aws.md says how to make it)."
  type        = string
}

variable "instance_type" {
  description = "Size of a node; docs/operating/capacity.md has calls a second by core."
  type        = string
  default     = "c7g.large"
}

variable "minimum" {
  description = "Nodes at least."
  type        = number
  default     = 3
  validation {
    condition     = var.minimum >= 2
    error_message = "Two at least: one may be replaced while the other serves."
  }
}

variable "maximum" {
  description = "Nodes at most."
  type        = number
  default     = 12
}

variable "certificate_arn" {
  description = "ACM certificate for the host applications call."
  type        = string
}

variable "client_cidrs" {
  description = "From where applications call; their keys say who they are."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "control_url" {
  description = "The admin API, where a new node's join token is made."
  type        = string
}

variable "enrollment_secret_arn" {
  description = "Secret with the management token that makes join tokens, in this region."
  type        = string
}

variable "enrollment_key_arn" {
  description = "KMS key the enrollment secret is encrypted with in this region."
  type        = string
}

variable "key_arn" {
  description = "KMS key of disks, in this region."
  type        = string
}

variable "access_log_bucket" {
  description = "Bucket for the load balancer's access logs, in this region."
  type        = string
}

variable "drain_seconds" {
  description = "How long streams may go on when a node leaves."
  type        = number
  default     = 300
}

variable "settings" {
  description = "More settings of eclusa-gateway, by variable (docs/settings.md)."
  type        = map(string)
  default     = {}
}
