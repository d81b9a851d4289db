provider "aws" {
  region = local.home
  default_tags {
    tags = { application = var.name }
  }
}

locals {
  home = "eu-central-1"
  # Every node connects from a NAT address of its region.
  node_cidrs = [for address in module.network.nat_addresses : "${address}/32"]
}

data "aws_availability_zones" "home" {
  state = "available"
}

module "key" {
  source = "../../modules/key"
  name   = var.name
}

module "logs" {
  source = "../../modules/logs"
  name   = var.name
}

module "network" {
  source      = "../../modules/network"
  name        = var.name
  cidr        = "10.20.0.0/16"
  zones       = slice(data.aws_availability_zones.home.names, 0, 2)
  log_key_arn = module.key.arn
}

module "secrets" {
  source  = "../../modules/secrets"
  name    = var.name
  key_arn = module.key.arn
}

module "database" {
  source                    = "../../modules/database"
  name                      = var.name
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.isolated_subnet_ids
  client_security_group_ids = [module.control.security_group_id]
  key_arn                   = module.key.arn
}

module "control" {
  source             = "../../modules/control"
  name               = var.name
  vpc_id             = module.network.vpc_id
  vpc_cidr           = module.network.cidr
  public_subnet_ids  = module.network.public_subnet_ids
  private_subnet_ids = module.network.private_subnet_ids
  image              = var.control_image
  public_url         = "https://control.${var.domain}"
  node_url           = "https://control-nodes.${var.domain}:7071"
  certificate_arn    = var.control_certificate_arn
  admin_cidrs        = concat(var.admin_cidrs, local.node_cidrs)
  node_cidrs         = local.node_cidrs
  key_arn            = module.key.arn
  secret_arns        = module.secrets.secret_arns
  access_log_bucket  = module.logs.bucket
  # The console shows it, and its playground calls it.
  settings = { ECLUSA_GATEWAY_URL = "https://gateway.${var.domain}" }
}

module "gateway_eu" {
  source                = "../../modules/gateway"
  name                  = var.name
  region_name           = "eu-central-1"
  vpc_id                = module.network.vpc_id
  vpc_cidr              = module.network.cidr
  public_subnet_ids     = module.network.public_subnet_ids
  private_subnet_ids    = module.network.private_subnet_ids
  image_id              = var.node_images["eu-central-1"]
  certificate_arn       = var.gateway_certificate_arns["eu-central-1"]
  control_url           = "https://control.${var.domain}"
  enrollment_secret_arn = module.secrets.secret_arns["enrollment-token"]
  enrollment_key_arn    = module.key.arn
  key_arn               = module.key.arn
  access_log_bucket     = module.logs.bucket
  settings              = { ECLUSA_CORS_ORIGINS = "https://control.${var.domain}" }
}
